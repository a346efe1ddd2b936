"""The matrix lists what exists, and knows which certificates have to hold and which have to fail."""

from __future__ import annotations

import pytest

from export.matrix import Row, names
from models.zoo import configuration
from soloist.v1 import certificate_pb2 as pb
from soloist.v1.model_pb2 import Model

DIMENSIONS = (pb.DIMENSION_BATCH, pb.DIMENSION_PADDING, pb.DIMENSION_CHUNKING)


def row(*verdicts: pb.Verdict.ValueType, control: bool = False) -> Row:
    model = Model(name="m", precision="float32", control=control)
    for dimension, verdict in zip(DIMENSIONS, verdicts, strict=False):
        failing = pb.FailingCase(node="the_conv", operator="Conv")
        found = model.certificate.verdicts.add(dimension=dimension, verdict=verdict)
        if verdict != pb.VERDICT_BITWISE:
            found.failing_case.CopyFrom(failing)
    return Row.of(model)


def test_every_name_is_a_model_of_the_zoo() -> None:
    listed = list(names(["vowels"], ["lstm", "tcn"], ["layer", "batch_step"]))
    assert listed == ["vowels-lstm-layer", "vowels-lstm-batch_step", "vowels-tcn-layer"]
    assert all(configuration(name) for name in listed)


@pytest.mark.parametrize(
    ("verdicts", "control", "as_predicted"),
    [
        ((pb.VERDICT_BITWISE,) * 3, False, True),
        ((pb.VERDICT_BITWISE, pb.VERDICT_ULP, pb.VERDICT_BITWISE), False, False),
        ((pb.VERDICT_BITWISE,) * 2, False, False),
        ((), False, False),
        ((pb.VERDICT_NONE, pb.VERDICT_BITWISE), True, True),
        ((pb.VERDICT_BITWISE, pb.VERDICT_NONE), True, False),
    ],
)
def test_a_model_has_to_be_bitwise_and_a_control_must_not_be(
    verdicts: tuple[pb.Verdict.ValueType, ...], control: bool, as_predicted: bool
) -> None:
    assert row(*verdicts, control=control).is_as_predicted is as_predicted


def test_what_fails_is_told_with_its_node() -> None:
    assert row(pb.VERDICT_BITWISE, pb.VERDICT_NONE).node == "the_conv (Conv)"
    assert row(pb.VERDICT_BITWISE).node == ""
