from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from service.api.oip.tensor_port import require_inputs, require_outputs, states_among
from service.core.errors import Reason, ServiceError
from service.core.reasons.error_kind import ErrorKind

FRAMES, HIDDEN, CELL = (np.full(1, value, np.float32) for value in (1, 2, 3))
STATES = {"hidden": "state.hidden", "cell": "state.cell"}


def refused(work: Callable[[], object]) -> tuple[ErrorKind, object]:
    with pytest.raises(ServiceError) as caught:
        work()
    return caught.value.reason, caught.value.facts.get("input", caught.value.facts.get("output"))


def test_a_request_needs_some_inputs_may_have_others_and_has_no_more() -> None:
    taken, required = {"frames", "length"}, ["frames"]
    require_inputs(["frames"], taken, required)
    require_inputs(["length", "frames"], taken, required)
    assert refused(lambda: require_inputs(["length"], taken, required)) == (Reason.INPUT_MISSING, "frames")
    assert refused(lambda: require_inputs(["frames", "more"], taken, required)) == (Reason.INPUT_UNKNOWN, "more")


def test_a_model_has_the_outputs_that_are_asked_for() -> None:
    require_outputs(["outputs"], {"outputs", "next.cell"})
    assert refused(lambda: require_outputs(["more"], {"outputs"})) == (Reason.OUTPUT_UNKNOWN, "more")


def test_states_are_sent_by_the_names_of_their_inputs_all_or_none() -> None:
    sent = {"frames": FRAMES, "state.cell": CELL, "state.hidden": HIDDEN}
    assert states_among(sent, STATES) == {"hidden": HIDDEN, "cell": CELL}
    assert states_among({"frames": FRAMES}, STATES) is None
    assert states_among({"frames": FRAMES}, {}) is None
    del sent["state.hidden"]
    assert refused(lambda: states_among(sent, STATES)) == (Reason.INPUT_MISSING, "state.hidden")
