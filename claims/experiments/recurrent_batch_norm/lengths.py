"""The longest training sequence, and the sequences of digits inside and beyond it.

Two cuts, set before anything was measured. 30 frames is the article's example, but few digits are longer. 17 frames is
the median, so that half of all sequences lie beyond.
"""

from __future__ import annotations

import numpy as np

from claims.trained import TrainingRun, training_run
from claims.trial import Trial
from models.data import Split, load
from models.defaults import DEFAULTS, with_norm

CUTS = {"thirty": 30, "median": 17}
WITHIN, TWICE, FURTHER, BEYOND = "within", "to twice", "further", "beyond"  # the last: "to twice" and "further"
_QUICK_SEQUENCES = 60  # of a bucket


def cuts(*, quick: bool) -> dict[str, int]:
    """Return the longest training sequence of each cut, in frames."""
    return {"median": CUTS["median"]} if quick else CUTS


def run(norm: str, longest: int, seed: int, *, quick: bool) -> TrainingRun:
    """Return the LSTM of digits with a normaliser, trained on sequences of up to `longest` frames."""
    config = with_norm(DEFAULTS["digits", "lstm"], norm)
    return training_run("digits", config, seed, quick=quick, longest=longest)


def buckets(longest: int, trial: Trial) -> dict[str, Split]:
    """Return sequences that weren't trained on, by length: inside the training lengths, to twice those, further.

    Beyond, those of the training split count too: a run that is cut at `longest` doesn't see them.
    """
    whole = load("digits")
    lengths = np.array([len(sequence) for sequence in whole.test.sequences])
    unseen = _joined(whole.test, whole.train)
    further = np.array([len(sequence) for sequence in unseen.sequences])
    found = {
        WITHIN: whole.test.select(np.flatnonzero(lengths <= longest)),
        TWICE: unseen.select(np.flatnonzero((further > longest) & (further <= 2 * longest))),
        FURTHER: unseen.select(np.flatnonzero(further > 2 * longest)),
    }
    return {
        name: split.select(np.arange(trial.count(len(split), min(len(split), _QUICK_SEQUENCES))))
        for name, split in found.items()
    }


def _joined(first: Split, second: Split) -> Split:
    return Split(sequences=first.sequences + second.sequences, labels=np.concatenate([first.labels, second.labels]))
