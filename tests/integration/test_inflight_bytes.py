"""How many bytes of messages may be under way: what is refused, and what a sequence keeps if its answer has no room."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.gates.http2 import http2_connection
from soloist import SoloistError
from soloist.oip.grpc_service_pb2 import ModelInferRequest
from soloist.v1 import sequence_inference_pb2 as pb
from tests.integration.admission import MIB, PREDICT, STREAMS, refusal, serving
from tests.integration.asking import CLOSE, asking, chunk, ones, opening, tensor
from tests.integration.infer_requests import converse, infer, outputs_of, request, step
from tests.integration.rest_requests import post
from tests.servers import RunningServer, running_server
from tests.third_party.model import ThirdPartyModel, state

# A running sum, 16 times a frame: in FP16 two bytes, in JSON more than twenty.
TINY = ThirdPartyModel(
    name="tiny",
    graph="""sum (uint8[B,T,1] x, float[B,1] s) => (float16[B,T,16] y, float[B,1] s_next) <int64 axis = {1}> {
  one = Constant <value = int64[1] {1}> ()
  end = Constant <value = int64[1] {9223372036854775807}> ()
  back = Constant <value = int64 {-1}> ()
  width = Constant <value = int64[3] {1, 1, 16}> ()
  scale = Constant <value = float {0.00005966424942016602}> ()
  new = Cast <to = 1> (x)
  row = Unsqueeze (s, one)
  joined = Concat <axis = 1> (row, new)
  totals = CumSum (joined, axis)
  s_next = Gather <axis = 1> (totals, back)
  own = Slice (totals, one, end, one)
  wide = Expand (own, width)
  small = Mul (wide, scale)
  y = Cast <to = 10> (small)
}""",
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_UINT8 dims: [ -1, 1 ] }\n'
    'output { name: "y" data_type: TYPE_FP16 dims: [ -1, 16 ] }\n'
    f"sequence_batching {{ {state('s', 's_next', '1')} }}\n",
    frames=lambda rng, count: rng.integers(0, 2, (count, 1)).astype(np.uint8),
    feed=lambda chunk: {"x": chunk[None]},
    outputs={"y": 1},
)


def peak_bytes(server: RunningServer) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def test_a_message_beyond_the_budget_is_refused_at_once(tmp_path: Path) -> None:
    large, small = ones(60_000), ones(3)  # 480,000 bytes, which count three times
    with serving(tmp_path, max_inflight_bytes=MIB) as server, asking(server.grpc) as asker:
        for asked in (
            lambda: asker.predict(large),
            lambda: asker.converse(opening(), chunk(0, large), CLOSE),
            lambda: converse(asker, request(np.ones((1, 60_000, 2), np.float32))),
        ):
            error = refusal(asked)
            assert (error.code.name, error.reason) == ("RESOURCE_EXHAUSTED", "MEMORY_FULL")
            assert error.facts["max_bytes"] == str(MIB)
            assert asker.predict(small).frame_count == 3
    with (
        serving(tmp_path / "other", max_inflight_bytes_per_connection=MIB) as server,
        asking(server.grpc) as asker,
    ):
        assert "connection" in refusal(lambda: asker.predict(large)).message


def _over_grpc(server: RunningServer, message: ModelInferRequest) -> dict[str, Any]:
    with asking(server.grpc) as asker:
        return outputs_of(infer(asker, message)[0])


def _on_a_stream(server: RunningServer, message: ModelInferRequest) -> dict[str, Any]:
    with asking(server.grpc) as asker:
        (told,) = converse(asker, message)
        assert not told.error_message, told.error_message
        return outputs_of(told.infer_response)


def _over_rest(server: RunningServer, message: ModelInferRequest) -> dict[str, Any]:
    found = post(server.http, message, binary=True, binary_output=False)
    assert found.status == 200, found.body
    return found.outputs()


@pytest.mark.parametrize("ask", [_over_grpc, _on_a_stream, _over_rest])
def test_an_answer_that_there_is_no_memory_for_leaves_its_sequence_as_it_was(tmp_path: Path, ask: Any) -> None:
    third = np.full((1, 1, 12), 1 / 3, np.float32)
    large = np.full((1, 6000, 12), 1 / 3, np.float32)  # the request fits, its answer not beside it
    with serving(tmp_path, features=12, max_inflight_bytes_per_connection=MIB) as server:
        ask(server, step(7, third, start=True))
        with pytest.raises((SoloistError, AssertionError), match="messages in progress"):
            ask(server, step(7, large))
        assert np.allclose(ask(server, step(7, third, end=True))["outputs"], 2 / 3)
        # Nor does one begin.
        with pytest.raises((SoloistError, AssertionError), match="messages in progress"):
            ask(server, step(8, large, start=True))
        with pytest.raises((SoloistError, AssertionError), match="has no sequence"):
            ask(server, step(8, third))


def test_an_answer_on_a_stream_is_counted_once(tmp_path: Path, transport: str) -> None:
    third = np.full((1, 1, 12), 1 / 3, np.float32)
    large = np.full((1, 5000, 12), 1 / 3, np.float32)  # three times the request and once the answer fit
    with serving(tmp_path, features=12, max_inflight_bytes_per_connection=MIB, transport=transport) as server:
        assert _on_a_stream(server, step(7, large, start=True))["outputs"].shape == (1, 5000, 12)
        assert np.allclose(_on_a_stream(server, step(7, third, end=True))["outputs"], 5001 / 3, rtol=1e-3)


def test_an_answer_in_json_has_room_or_leaves_its_sequence_as_it_was(tmp_path: Path) -> None:
    def ask(frames: list[int], **place: Any) -> Any:
        message = ModelInferRequest(model_name="tiny")
        message.inputs.add(name="x", datatype="UINT8", shape=[1, len(frames), 1])
        message.raw_input_contents.append(bytes(frames))
        for name, value in {"sequence_id": 7, **place}.items():
            setattr(message.parameters[name], "bool_param" if value is True else "int64_param", value)
        return post(server.http, message, binary=True, binary_output=False)

    TINY.write(tmp_path / "repository")
    with running_server(tmp_path / "repository", tmp_path, max_inflight_bytes_per_connection=MIB) as server:
        first = ask([1], sequence_start=True).outputs()["y"][0, 0, 0]
        assert len(ask([0] * 2500).body) > 2500 * 16 * 20
        refused = ask([1] + [0] * 3999)  # more than a MiB of text, of 128,000 bytes
        assert refused.status == 429
        assert b"messages in progress" in refused.body
        assert ask([0], sequence_end=True).outputs()["y"][0, 0, 0] == first


def test_many_large_requests_in_flight_stay_within_the_budget(tmp_path: Path) -> None:
    frames = tensor(np.ones((100_000, 12)))  # 4.6 MiB
    callers, each = 6, 20

    def ask(server: RunningServer) -> Counter[str]:
        with asking(server.grpc) as asker:
            calls = [asker.stub.Predict.future(pb.PredictRequest(model="sums", frames=frames)) for _ in range(each)]
            return Counter(call.code().name for call in calls)

    with (
        serving(
            tmp_path, features=12, max_inflight_bytes=64 * MIB, max_inflight_bytes_per_connection=32 * MIB
        ) as server,
        asking(server.grpc) as asker,
    ):
        before = peak_bytes(server)
        with ThreadPoolExecutor(callers) as threads:
            found = sum(threads.map(ask, [server] * callers), Counter())
        assert found.keys() <= {"OK", "RESOURCE_EXHAUSTED"}
        assert found["OK"]
        assert asker.predict(tensor(np.ones((3, 12)))).frame_count == 3
        # Without a budget it is 1,400 MiB.
        assert peak_bytes(server) - before < 800 * MIB


@pytest.mark.parametrize("path", [PREDICT, *STREAMS])
def test_a_message_that_is_announced_to_be_huge_is_cut_while_it_arrives(tmp_path: Path, path: str) -> None:
    with serving(tmp_path, max_inflight_bytes=32 * MIB) as server:
        before = peak_bytes(server)
        with http2_connection(server.grpc) as connection, asking(server.grpc) as asker:
            connection.open_call(path)
            sent = connection.send_message(bytes(1000 * MIB), announced=2**30)
            connection.await_end()
            assert sent < 800 * MIB
            assert asker.predict(ones(3)).frame_count == 3
            # The connection itself goes on.
            connection.open_call(PREDICT, 3)
            connection.send_message(pb.PredictRequest(model="sums", frames=ones(3)).SerializeToString(), 3)
            connection.await_end(3)
        assert peak_bytes(server) - before < 800 * MIB
        assert server.total("soloist_requests_total", api=path.rpartition("/")[2], code="RESOURCE_EXHAUSTED") == 1
