"""Skew: how far what enters a BatchNorm is from the running statistics it normalises with: the definitions.

Written once, for the server, which measures live traffic (service/skew/watch.py), and for the export, which measures
held-out data.
"""

from service.skew.measures import Skew, measure
from service.skew.moments import Moments, PooledSums
from service.skew.thresholds import thresholds_for

__all__ = ["Moments", "PooledSums", "Skew", "measure", "thresholds_for"]
