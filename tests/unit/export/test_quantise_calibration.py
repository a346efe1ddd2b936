from __future__ import annotations

import numpy as np
import onnx
import pytest

from export.errors import ExportError
from export.fold import fold
from export.graph import trace
from export.quantise.calibration import Range, calibrate
from export.signature import signature
from models import zoo
from models.config import LSTMConfig, TaskSpec
from models.zoo import SequenceModel

TASK = TaskSpec(name="numbers", frames="features", feature_count=4, labels=("a", "b"))
MEAN = 50.0  # of the frames, and what scaling takes off: a frame of zeros would be far outside of the range
SEQUENCES = [np.random.default_rng(n).normal(MEAN, 1.0, size=(n, 4)).astype(np.float32) for n in (1, 3, 8)]


@pytest.fixture(scope="module")
def model() -> SequenceModel:
    model = zoo.build(TASK, "lstm", LSTMConfig(hidden=6, norm="layer")).eval()
    assert isinstance(model.front, zoo.Scaling)
    model.front.mean.fill_(MEAN)
    return model


@pytest.fixture(scope="module")
def traced(model: SequenceModel) -> onnx.ModelProto:
    return trace(fold(model)[0])


def test_the_range_is_that_of_the_training_frames_and_of_no_padding(
    model: SequenceModel, traced: onnx.ModelProto
) -> None:
    (scaled,) = [node.output[0] for node in traced.graph.node if node.name == "node_div"]
    found = calibrate(traced, signature(model), [("", scaled)], SEQUENCES)
    frames = np.concatenate(SEQUENCES) - np.float32(MEAN)
    assert found["", scaled] == Range(low=float(frames.min()), high=float(frames.max()))


def test_what_a_recurrence_carries_has_a_range_too(model: SequenceModel, traced: onnx.ModelProto) -> None:
    (scan,) = [node for node in traced.graph.node if node.op_type == "Scan"]
    (body,) = [attribute.g for attribute in scan.attribute if attribute.name == "body"]
    place = (scan.output[0], body.input[0].name)
    hidden = calibrate(traced, signature(model), [place], SEQUENCES)[place]
    assert -1 < hidden.low < 0 < hidden.high < 1


def test_data_without_a_finite_range_are_refused(model: SequenceModel, traced: onnx.ModelProto) -> None:
    (scaled,) = [node.output[0] for node in traced.graph.node if node.name == "node_div"]
    poisoned = [np.full((2, 4), np.inf, np.float32)]
    with pytest.raises(ExportError, match=f"no finite range.*{scaled}"):
        calibrate(traced, signature(model), [("", scaled)], poisoned)
