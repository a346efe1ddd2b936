"""What an answer depends on: one sequence run alone, beside mates, padded and cut, and how far the answers are apart.

Shapes, in all of this package: B rows, T frames, P padded frames, C features of a frame, K outputs a frame.
"""

from service.comparison.bounds import check
from service.comparison.condition import BatchMates, Chunked, Condition, Padded, default_conditions, read
from service.comparison.deviation import Deviation, deviation
from service.comparison.mates import draw
from service.comparison.siblings import named_siblings, require_comparable, siblings, twin
from service.comparison.trial import Stopped, Trial
from service.comparison.turns import Comparisons

__all__ = [
    "BatchMates",
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
    "draw",
    "named_siblings",
    "read",
    "require_comparable",
    "siblings",
    "twin",
]
