"""Lists that are too long, and shapes of nothing: refused by their count alone, in our own API and in the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from soloist import SoloistError
from soloist.v1 import admin_pb2
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1.admin_pb2_grpc import AdminStub
from soloist.v1.tensor_pb2 import DATA_TYPE_FLOAT32, NamedTensor, Tensor
from tests.graphs import Sums
from tests.integration.asking import Asker, asking, chunk, ones, opening, translated
from tests.integration.infer_requests import converse, infer, outputs_of, request
from tests.servers import running_server
from tests.third_party import ThirdPartyModel
from tests.third_party.model import normal, parameter

# Its frames are of any width, so that a shape of nothing gets past the first look.
WIDE = ThirdPartyModel(
    name="wide",
    graph="wide (float[B,T,C] x) => (float[B,T,C] y) { y = Neg (x) }",
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1, -1 ] }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ -1, -1 ] }\n' + parameter("causal", "true"),
    frames=normal(2),
    feed=lambda chunk: {"x": chunk[None]},
    outputs={"y": 1},
)
HUGE = [(2**63 - 1, 0), (2**40, 0), (1, 2**63 - 1, 0), (2**31, 0, 2**31), (0, 2**62)]


@pytest.fixture(scope="module")
def wide_asker(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[Asker]:
    folder = tmp_path_factory.mktemp("entries")
    WIDE.write(folder / "repository")
    Sums(name="sums").write(folder / "repository")
    with running_server(folder / "repository", folder, transport=transport) as server, asking(server.grpc) as asker:
        yield asker


def empty(shape: tuple[int, ...]) -> Tensor:
    return Tensor(data_type=DATA_TYPE_FLOAT32, shape=shape)


@pytest.mark.parametrize("shape", HUGE, ids=str)
def test_frames_of_nothing_in_a_shape_that_no_array_has(wide_asker: Asker, shape: tuple[int, ...]) -> None:
    expected = "EMPTY_SEQUENCE" if not shape[0] else "SHAPE_MISMATCH"
    with pytest.raises(SoloistError) as whole:
        wide_asker.predict(empty(shape), model="wide")
    with pytest.raises(SoloistError) as streamed:
        wide_asker.converse(opening("wide"), chunk(0, empty(shape)))
    for caught in (whole, streamed):
        assert (caught.value.code.name, caught.value.reason) == ("INVALID_ARGUMENT", expected)


@pytest.mark.parametrize("shape", HUGE, ids=str)
def test_tensors_of_nothing_in_the_other_protocol(wide_asker: Asker, shape: tuple[int, ...]) -> None:
    message = request(None, model="wide")
    message.inputs.add(name="x", datatype="FP32", shape=shape)
    message.raw_input_contents.append(b"")
    with pytest.raises(SoloistError) as caught:
        infer(wide_asker, message)
    assert (caught.value.code.name, caught.value.reason) == ("INVALID_ARGUMENT", "INPUT_SHAPE_MISMATCH")
    (answer,) = converse(wide_asker, message)
    assert answer.error_message.startswith("INPUT_SHAPE_MISMATCH: ")
    message.raw_input_contents.clear()
    message.inputs[0].contents.fp32_contents.extend([])
    message.inputs[0].contents.SetInParent()
    with pytest.raises(SoloistError, match="INPUT_SHAPE_MISMATCH"):
        infer(wide_asker, message)


def test_frames_without_features_are_frames(wide_asker: Asker) -> None:
    assert wide_asker.predict(empty((5, 0)), model="wide").frame_count == 5
    message = request(None, model="wide", inputs={"x": np.zeros((2, 5, 0), np.float32)})
    (answer,) = infer(wide_asker, message)
    assert outputs_of(answer)["y"].shape == (2, 5, 0)


def test_inputs_beside_the_frames_are_counted(wide_asker: Asker) -> None:
    inputs = [NamedTensor(name="x")] * 1025
    with pytest.raises(SoloistError) as caught, translated():
        wide_asker.stub.Predict(pb.PredictRequest(model="sums", frames=ones(3), inputs=inputs))
    _assert_counted(caught.value, "inputs", 1025, 1024)
    with pytest.raises(SoloistError) as caught:
        wide_asker.converse(opening(), pb.StreamRequest(chunk=pb.Chunk(frames=ones(3), inputs=inputs)))
    _assert_counted(caught.value, "inputs", 1025, 1024)


def test_labels_of_a_rollout_are_counted_in_one_request_and_in_all(wide_asker: Asker) -> None:
    stub = AdminStub(wide_asker.channel)

    def spread(first: int, count: int) -> admin_pb2.UpdateRolloutResponse:
        labels = [admin_pb2.VersionLabel(label=f"label-{first + each}", version=1) for each in range(count)]
        with translated():
            return stub.UpdateRollout(admin_pb2.UpdateRolloutRequest(model="sums", labels=labels), timeout=30)

    with pytest.raises(SoloistError) as caught:
        spread(0, 101)
    _assert_counted(caught.value, "labels", 101, 100)
    assert len(spread(0, 100).rollout.labels) == 100
    with pytest.raises(SoloistError) as caught:
        spread(100, 1)
    _assert_counted(caught.value, "the rollout's labels", 101, 100)
    assert len(spread(0, 1).rollout.labels) == 100


def _assert_counted(error: SoloistError, field: str, count: int, max_count: int) -> None:
    assert (error.code.name, error.reason) == ("INVALID_ARGUMENT", "TOO_MANY_ENTRIES")
    assert error.facts == {"field": field, "count": str(count), "max_count": str(max_count)}
