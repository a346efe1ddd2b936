"""Accuracy as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.feedback.buckets import ALL, SLICES
from soloist.v1 import feedback_pb2 as pb

if TYPE_CHECKING:
    from service.feedback.accuracy import Tally, VersionTally
    from service.feedback.policy import Window
    from service.feedback.watch import Counts

_PLACES = [(ALL, ALL), *((each.name, each.bucket(number)) for each in SLICES for number in range(len(each.starts)))]


def version_accuracies(counts: Counts, model: str, version: int) -> list[pb.VersionAccuracy]:
    """Tell what was counted of one model, or of one version of it, by version and window."""
    identities = sorted({identity for versions in counts.values() for identity in versions})
    return [
        pb.VersionAccuracy(
            model=identity[0],
            version=identity[1],
            norm=identity[2],
            windows=[
                _window(window, versions[identity]) for window, versions in counts.items() if identity in versions
            ],
        )
        for identity in identities
        if identity[0] == model and version in (0, identity[1])
    ]


def _window(window: Window, found: VersionTally) -> pb.WindowAccuracy:
    return pb.WindowAccuracy(
        window=window.name,
        seconds=window.seconds,
        slices=[_slice(*place, found.tallies[place]) for place in _PLACES if place in found.tallies],
        confusion=[
            pb.ConfusionCount(truth=truth, predicted=predicted, labels=labels)
            for (truth, predicted), labels in sorted(found.confusion.items())
        ],
    )


def _slice(name: str, bucket: str, tally: Tally) -> pb.SliceAccuracy:
    interval = tally.interval
    return pb.SliceAccuracy(
        slice=name,
        bucket=bucket,
        answers=tally.answers,
        labelled_answers=tally.labelled_answers,
        labels=tally.labels,
        labelled_sequences=tally.labelled_sequences,
        correct=tally.correct,
        accuracy=tally.accuracy,
        accuracy_low=interval.low if interval else None,
        accuracy_high=interval.high if interval else None,
        label_coverage=tally.coverage,
        estimated_accuracy=tally.estimated_accuracy,
        calibration_error=tally.calibration_error,
    )
