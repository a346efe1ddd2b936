"""States that a caller brings are input: what a graph of our own can't do with them is told, and nobody suffers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf.json_format import MessageToJson
from onnx import helper

from soloist import Client, SoloistError
from soloist.oip import grpc_service_pb2 as pb
from soloist.v1 import model_pb2, tensor_pb2
from tests.graphs import METADATA_KEY
from tests.integration.asking import Asker, asking
from tests.integration.infer_requests import converse, infer, outputs_of, request
from tests.servers import RunningServer, running_server

FRAMES = np.ones((1, 3, 1), np.float32)
# A place in a table of three, as embeddings of positions are: -3 to 2.
OUTSIDE = [3, 10**6, 2**63 - 1, -4, -(2**63)]
_GRAPH = """<ir_version: 10, opset_import: ["" : 20]>
placed (float[B,T,1] frames, int64[B,1] place) => (float[B,T,1] outputs, int64[B,1] next_place)
  <float[3,1] table = {0.5, 1.5, 2.5}> {
  found = Gather (table, place)
  outputs = Add (frames, found)
  next_place = Identity (place)
}"""


def write_placed(repository: Path) -> None:
    """Write "placed", with a manifest: a model of our own."""
    float32, int64 = tensor_pb2.DATA_TYPE_FLOAT32, tensor_pb2.DATA_TYPE_INT64
    state = model_pb2.StateSpec(name="place", input="place", output="next_place", data_type=int64, shape=[1])
    signature = model_pb2.Signature(
        frames=tensor_pb2.TensorSpec(name="frames", data_type=float32, shape=[-1, -1, 1]),
        outputs=tensor_pb2.TensorSpec(name="outputs", data_type=float32, shape=[-1, -1, 1]),
        states=[state],
    )
    manifest = model_pb2.Model(name="placed", version=1, norm="none", causal=True, signature=signature)
    model = onnx.parser.parse_model(_GRAPH)
    helper.set_model_props(model, {METADATA_KEY: MessageToJson(manifest)})
    path = repository / "placed" / "1" / "model.onnx"
    path.parent.mkdir(parents=True)
    onnx.save(model, path)


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("placed")
    write_placed(folder / "repository")
    with running_server(folder / "repository", folder, live_check_ratio=1, batch_uncertified=True) as server:
        yield server


@pytest.fixture
def placed_asker(placed: RunningServer) -> Iterator[Asker]:
    with asking(placed.grpc) as asker:
        yield asker


def at(place: int) -> pb.ModelInferRequest:
    return request(FRAMES, model="placed", inputs={"place": np.array([[place]])})


def test_a_state_within_the_graph_s_bounds_is_taken(placed_asker: Asker) -> None:
    for place, value in ((0, 1.5), (2, 3.5), (-1, 3.5)):
        (answer,) = infer(placed_asker, at(place))
        assert outputs_of(answer)["outputs"].ravel().tolist() == [value] * 3


@pytest.mark.parametrize("place", OUTSIDE)
def test_a_state_outside_is_the_caller_s_fault(placed: RunningServer, placed_asker: Asker, place: int) -> None:
    with Client(placed.grpc) as client, client.stream("placed") as neighbour:
        before = neighbour.send(FRAMES[0]).outputs
        with pytest.raises(SoloistError) as caught:
            infer(placed_asker, at(place))
        assert (caught.value.code.name, caught.value.reason) == ("INVALID_ARGUMENT", "GRAPH_REFUSED")
        # Requests outside of sequences are answered in any order.
        taken, refused = sorted(converse(placed_asker, at(place), at(0)), key=lambda answer: answer.error_message)
        assert refused.error_message.startswith("GRAPH_REFUSED: ")
        assert outputs_of(taken.infer_response)["outputs"].ravel().tolist() == [1.5] * 3
        assert neighbour.send(FRAMES[0]).outputs.tobytes() == before.tobytes()
    assert "Traceback" not in placed.stderr.read_text()
