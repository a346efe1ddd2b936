from __future__ import annotations

import pytest

from claims.catalogue import CLAIMS
from claims.judged import judged
from claims.verdict import Judgement, Verdict


def _judged(frame_spread: float, from_instance: float, from_none: float, *, running: float = 5.0) -> Judgement:
    figures = {
        "frame_spread": frame_spread,
        "running_spread": running,
        "from_instance": from_instance,
        "from_none": from_none,
        "accuracy": dict.fromkeys(("running", "current", "instance", "none"), 0.5),
    }
    return judged(CLAIMS[14], range(5), [figures] * 5).judgement


@pytest.mark.parametrize(
    ("frame_spread", "from_instance", "from_none", "verdict"),
    [
        (2.0, 3.0, 0.0, Verdict.SUPPORTED),
        (0.0, 1e-5, 3.0, Verdict.REFUTED),
        (2.0, 1e-5, 3.0, Verdict.DEPENDS),
        (2.0, 3.0, 3.0, Verdict.NOT_SHOWN),
    ],
)
def test_what_a_batch_of_one_is_the_same_as_decides(
    frame_spread: float, from_instance: float, from_none: float, verdict: Verdict
) -> None:
    assert _judged(frame_spread, from_instance, from_none).verdict is verdict


def test_where_frames_look_alike_anyway_nothing_is_shown() -> None:
    assert _judged(0.0, 0.0, 3.0, running=0.0).reason == "control"
