"""Skew: how far what enters a BatchNorm is from the running statistics it normalises with: the definitions.

Written once, for the server, which measures live traffic (watch.py), and for the export, which measures held-out data.
"""

from service.observers.skew.moments import Moments, PooledSums, Skew, measure, thresholds_for

__all__ = ["Moments", "PooledSums", "Skew", "measure", "thresholds_for"]
