"""The normaliser skew: how far the input of a BatchNorm is from the running statistics that it normalises with.

The definitions serve the server, which measures live traffic (watch.py), and the export, which measures held-out data.
"""

from service.observers.skew.moments import Moments, PooledSums, Skew, measure, thresholds_for

__all__ = ["Moments", "PooledSums", "Skew", "measure", "thresholds_for"]
