"""What a claim is: what is measured for a seed, and the rule that makes a verdict of all seeds.

A rule is written before anything is measured, and stands in words in the claim's text (claims/texts).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from claims.trained import TrainingRun
from claims.trial import Trial
from claims.verdict import Judgement

Measured = dict[str, Any]  # the figures of one seed, as JSON


def _nothing(_seed: int, _quick: bool) -> Sequence[TrainingRun]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim by its number in the article.

    `needs(seed, quick)` names the training runs of a seed, which claims share. `measure(trial)` runs in a process of
    its own and returns what is kept. `judge` is a function of that alone, seed by seed in order. What measures time
    runs `alone`, when nothing else does.
    """

    number: int
    measure: Callable[[Trial], Measured]
    judge: Callable[[Sequence[Measured]], Judgement]
    needs: Callable[[int, bool], Sequence[TrainingRun]] = _nothing
    alone: bool = False
