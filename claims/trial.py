"""One seed of one claim: what an experiment is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from claims import trained
from claims.trained import Trained, TrainingRun


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A seed, and where things are. `quick` asks for less of everything; `scratch` is removed afterwards."""

    seed: int
    quick: bool
    checkpoints: Path
    scratch: Path

    def trained(self, run: TrainingRun) -> Trained:
        """Return a training run. Those that the claim needs are there already; any other is made now."""
        return trained.make(run, self.checkpoints)

    def count(self, full: int, quick: int) -> int:
        """Return how many of something to take."""
        return quick if self.quick else full
