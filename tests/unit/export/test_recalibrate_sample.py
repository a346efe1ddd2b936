"""The sample of a recalibration: which sequences count, and which half they are in."""

from __future__ import annotations

import math

import numpy as np
import pytest

from export.errors import ExportError
from export.recalibrate.sample import halves, newest
from soloist.client import SampledSequence


def sequence(began: float) -> SampledSequence:
    return SampledSequence(
        sequence_id=str(began),
        frames=np.zeros((1, 1), np.float32),
        first_seen_seconds=began,
        last_seen_seconds=began,
        prediction_ids=(),
    )


def began(sampled: list[SampledSequence]) -> list[float]:
    return [each.first_seen_seconds for each in sampled]


def test_what_began_long_before_the_newest_is_left_out() -> None:
    sampled = [sequence(began) for began in (90.0, 100.0, 20.0, 70.0)]
    assert began(newest(sampled, 30.0)) == [90.0, 100.0, 70.0]
    assert began(newest(sampled, math.inf)) == began(sampled)
    assert newest([], 30.0) == []


def test_the_earlier_half_estimates() -> None:
    cut = halves([sequence(began) for began in (3.0, 1.0, 2.0)])
    assert (began(list(cut.estimate)), began(list(cut.judge))) == ([1.0], [2.0, 3.0])
    with pytest.raises(ExportError, match="can't be halved"):
        halves([sequence(1.0)])
