"""Live sequences with known classes: what a recalibrated file does under the traffic that it was made for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from export import accuracy, calibration
from soloist.v1.model_pb2 import Accuracy

if TYPE_CHECKING:
    from models.data import Split
    from service.engine.graph import Graph
    from soloist.v1.model_pb2 import Model


@dataclass(frozen=True, kw_only=True)
class LabelledTraffic:
    """Sequences to fit the temperature to, None if they are too few, and later ones to measure on.

    `before` is how many of the later ones the version before answers rightly.
    """

    fitted: Split | None
    measured: Split
    before: int


def amend(labelled: LabelledTraffic, graph: Graph, described: Model) -> None:
    """Put into the manifest of a recalibrated version how right it is, and where it can be, how sure it may be."""
    count, recalibration = len(labelled.measured), described.provenance.recalibration
    recalibration.accuracy.CopyFrom(accuracy.measure(graph, labelled.measured))
    recalibration.accuracy_before.CopyFrom(
        Accuracy(sequences=count, correct=labelled.before, ratio=labelled.before / count)
    )
    if labelled.fitted is not None:
        outputs = (accuracy.answers(graph, split).astype(np.float64) for split in (labelled.fitted, labelled.measured))
        to_fit, to_measure = outputs
        fitted = calibration.temperature_of(to_fit, labelled.fitted.labels)
        described.calibration.CopyFrom(calibration.measured(*fitted, to_measure, labelled.measured.labels))
        described.calibration.held_back = described.calibration.live = True
