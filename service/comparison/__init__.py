"""The comparison of answers to one sequence: alone, with neighbours, padded and cut, and how far apart they are.

Shapes, in all of this package: B rows, T frames, P padded frames, C features of a frame, K outputs a frame.
"""

from service.certificate.difference import Deviation, deviation
from service.comparison.comparisons import Comparisons
from service.comparison.conditions import BatchNeighbours, Chunked, Condition, Padded, check, default_conditions, read
from service.comparison.siblings import named_siblings, require_comparable, siblings, twin
from service.comparison.trial import Stopped, Trial

__all__ = [
    "BatchNeighbours",
    "Chunked",
    "Comparisons",
    "Condition",
    "Deviation",
    "Padded",
    "Stopped",
    "Trial",
    "check",
    "default_conditions",
    "deviation",
    "named_siblings",
    "read",
    "require_comparable",
    "siblings",
    "twin",
]
