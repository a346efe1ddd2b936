"""The grid of training runs: encoders of spoken digits by normaliser, depth, learning rate and its place.

The encoder sees the whole sequence, as a vision Transformer sees the whole image. Gradients aren't clipped, since
clipping would hide what is asked for.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from claims.trained import Trained, TrainingRun, training_run
from claims.trial import Trial
from models.config import EncoderConfig, NormPosition

TASK = "digits"
LAYER, BATCH, INNER = "layer", "batch", "batch_ffn"
NORMS = (LAYER, BATCH, INNER)
DEPTHS = (2, 6)
RATES = (4e-3, 1.6e-2)  # the recipe's, and four times that
POSITIONS: tuple[NormPosition, ...] = ("pre", "post")
EPOCHS = 8
ABSURD_RATE = 1.0  # at which nothing trains: the control
_UNCLIPPED = 1e9
_QUICK_DEPTHS, _QUICK_RATES = (2,), (1.6e-2,)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One way to train, whatever the normaliser."""

    depth: int
    rate: float
    position: NormPosition

    @property
    def name(self) -> str:
        """Its name in figures."""
        return f"{self.position}-norm, {self.depth} layers, rate {self.rate:g}"

    def run(self, norm: str, seed: int, *, quick: bool) -> TrainingRun:
        """Return the run of a normaliser."""
        config = EncoderConfig(norm=norm, layers=self.depth, norm_position=self.position)
        return training_run(TASK, config, seed, quick=quick, learning_rate=self.rate, epochs=EPOCHS, clip=_UNCLIPPED)


CONTROL = Cell(depth=2, rate=ABSURD_RATE, position="post")


def cells(*, quick: bool) -> list[Cell]:
    """Return all ways to train."""
    depths, rates = (_QUICK_DEPTHS, _QUICK_RATES) if quick else (DEPTHS, RATES)
    return [Cell(depth=d, rate=r, position=p) for d, r, p in itertools.product(depths, rates, POSITIONS)]


def runs(seed: int, quick: bool) -> Sequence[TrainingRun]:
    """Return all training runs of a seed, the control's included."""
    grid = [cell.run(norm, seed, quick=quick) for cell in cells(quick=quick) for norm in NORMS]
    return [*grid, CONTROL.run(LAYER, seed, quick=quick)]


def trained(trial: Trial, norm: str) -> Iterator[tuple[Cell, Trained]]:
    """Yield what a normaliser's runs came to, cell by cell."""
    for cell in cells(quick=trial.quick):
        yield cell, trial.trained(cell.run(norm, trial.seed, quick=trial.quick))


def diverged(run: Trained, classes: int) -> bool:
    """Return whether training went wrong: a loss that is no number, or at the end none better than a guess's."""
    return not all(map(math.isfinite, run.losses)) or run.losses[-1] >= math.log(classes)
