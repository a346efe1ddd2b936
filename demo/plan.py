"""What the demonstration does: which models, and how much of everything."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from models.data import Dataset, load

TASK = "vowels"
ARCHITECTURES = ("lstm", "tcn")
NORMS = ("none", "layer", "batch")
SERVER_SETTINGS = {"log_level": "info"}  # of every demonstration; those of its own are in a file


class DemoError(Exception):
    """The demonstration can't go on; the message says why, for people."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Settings of one demonstration.

    `epochs` None trains as long as each model's recipe says, `sequences` None asks every held-out sequence.
    """

    epochs: int | None = None
    sequences: int | None = None
    seed: int = 0
    calls_at_once: int = 16  # while accuracy and frames a second are measured
    load_rate_per_second: float = 50.0  # while latency is measured: modest, so that it shows latency and not queues
    load_seconds: float = 4.0  # of every model, once whole and once streamed
    processes: int = 2  # that train at once

    @property
    def names(self) -> list[str]:
        """Names of the models, "<task>-<architecture>-<norm>"."""
        return [f"{TASK}-{architecture}-{norm}" for architecture in ARCHITECTURES for norm in NORMS]

    def data(self) -> Dataset:
        """Load the data set; of the held-out split so many sequences, spread over all of it. Raises DataError."""
        data = load(TASK)
        if self.sequences is None or self.sequences >= len(data.test):
            return data
        spread = np.linspace(0, len(data.test) - 1, self.sequences).round()
        return dataclasses.replace(data, test=data.test.select(spread.astype(np.int64)))
