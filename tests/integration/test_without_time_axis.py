"""Models without a known time axis: served as they are over the Open Inference Protocol, and only there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from soloist import Client, SoloistError
from soloist.cli.main import main
from soloist.oip import grpc_service_pb2 as pb
from tests.integration.asking import Asker, asking
from tests.integration.infer_requests import converse, infer, stub_of
from tests.integration.rest_requests import ask as ask_rest
from tests.integration.rest_requests import post
from tests.servers import RunningServer, running_server
from tests.third_party.untimed import CACHE, GRID, SEVENS, UNTIMED, grid_inputs

_WORDS = {"float32": "FP32", "float16": "FP16", "int32": "INT32", "bool": "BOOL", "uint8": "UINT8", "int8": "INT8"}
_NUMPY = {word: name for name, word in _WORDS.items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("untimed")
    for model in (*UNTIMED, SEVENS):
        model.write(folder / "repository")
    with running_server(folder / "repository", folder, batch_uncertified=True, live_check_ratio=1) as server:
        yield server


@pytest.fixture(scope="module")
def untimed(server: RunningServer) -> Iterator[Asker]:
    with asking(server.grpc) as asker:
        yield asker


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with Client(server.grpc) as client:
        yield client


def _request(model: str, inputs: dict[str, Any], outputs: tuple[str, ...] = (), **place: Any) -> pb.ModelInferRequest:
    message = pb.ModelInferRequest(model_name=model)
    for name, array in inputs.items():
        message.inputs.add(name=name, datatype=_WORDS[array.dtype.name], shape=array.shape)
        message.raw_input_contents.append(array.tobytes())
    for output in outputs:
        message.outputs.add(name=output)
    for name, value in place.items():
        setattr(message.parameters[name], "bool_param" if isinstance(value, bool) else "int64_param", value)
    return message


def _outputs(response: pb.ModelInferResponse) -> dict[str, Any]:
    return {
        output.name: np.frombuffer(data, _NUMPY[output.datatype]).reshape(output.shape)
        for output, data in zip(response.outputs, response.raw_output_contents, strict=True)
    }


def _as_the_graph_runs(inputs: dict[str, Any]) -> dict[str, Any]:
    kept = inputs["x"] * inputs["keep"].astype(np.float32)[:, None]
    return {
        "y": kept,
        "doubled": inputs["ids"] * 2,
        "kept": ~inputs["keep"],
        "same": inputs["pixel"].reshape(2),
        "small": inputs["half"].astype(np.int8),
        "halved": inputs["half"],
    }


@pytest.mark.parametrize("shape", [(1, 1), (4, 2), (2, 7), (0, 3)])
@pytest.mark.parametrize("model", ["grid", "bare"])
def test_tensors_pass_as_they_are(untimed: Asker, model: str, shape: tuple[int, int]) -> None:
    inputs = grid_inputs(*shape)
    sent = inputs if model == "grid" else inputs | {"pixel": inputs["pixel"].reshape(2)}
    (response,) = infer(untimed, _request(model, sent))
    found, expected = _outputs(response), _as_the_graph_runs(inputs)
    assert found["total"].shape == (1,)  # as dims [ 1 ] and reshape tell
    assert np.isclose(found["total"], expected["y"].sum(), rtol=1e-5)
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
    assert [each.name for each in response.outputs] == ["y", "total", *list(expected)[1:]]


def test_typed_contents_pass_too(untimed: Asker) -> None:
    message = _request("memory", {"x": np.ones((2, 3), np.float32)})
    message.inputs[0].contents.fp32_contents.extend([1.0] * 6)
    del message.raw_input_contents[:]
    (response,) = infer(untimed, message)
    assert list(response.outputs[0].contents.fp32_contents) == [101.0] * 6  # outside sequences every run begins one


def test_nan_is_its_callers_business(untimed: Asker) -> None:
    x = np.array([[np.nan, -np.inf]], np.float32)
    (response,) = infer(untimed, _request("memory", {"x": x}, ("y",)))
    assert np.isnan(_outputs(response)["y"][0, 0])
    assert _outputs(response)["y"][0, 1] == -np.inf


@pytest.mark.parametrize("ask", [infer, lambda asker, *r: [each.infer_response for each in converse(asker, *r)]])
def test_states_go_by_name_from_request_to_request(untimed: Asker, ask: Any) -> None:
    steps = [
        _request("memory", {"x": np.zeros((1, n + 1), np.float32)}, ("y", "s_next"), sequence_id=7, **place)
        for n, place in enumerate([{"sequence_start": True}, {}, {"sequence_end": True}])
    ]
    found = [_outputs(each) for each in ask(untimed, *steps)]
    assert [each["y"].tolist() for each in found] == [[[100]], [[3, 3]], [[6, 6, 6]]]
    assert found[-1]["s_next"].tolist() == [[3, 6]]
    with pytest.raises(SoloistError) as caught:
        infer(untimed, _request("memory", {"x": np.zeros((1, 1), np.float32)}, sequence_id=7))
    assert caught.value.reason == "SEQUENCE_NOT_FOUND"


def test_a_state_may_grow_as_the_cache_of_an_attention_does(untimed: Asker) -> None:
    x = np.random.default_rng(1).normal(size=(1, 6, 2)).astype(np.float32)
    cuts = [x[:, :1], x[:, 1:1], x[:, 1:4], x[:, 4:]]
    for ask in (infer, lambda asker, *r: [each.infer_response for each in converse(asker, *r)]):
        steps = [
            _request("cache", {"x": cut}, ("y", "present"), sequence_id=8, sequence_start=not n, sequence_end=n == 3)
            for n, cut in enumerate(cuts)
        ]
        found = [_outputs(each) for each in ask(untimed, *steps)]
        assert [each["present"].shape for each in found] == [(1, 1, 2), (1, 1, 2), (1, 4, 2), (1, 6, 2)]
        assert found[-1]["present"].tobytes() == x.tobytes()
    (whole,) = infer(untimed, _request("cache", {"x": x}, ("y",)))
    assert _outputs(whole)["y"].tobytes() == found[-1]["y"].tobytes()
    brought = {"x": x[:, 4:], "past": x[:, :4]}
    (rest,) = infer(untimed, _request("cache", brought, ("y",)))
    assert _outputs(rest)["y"].tobytes() == found[-1]["y"].tobytes()


def test_a_decoder_is_fed_a_token_a_step(untimed: Asker) -> None:
    steps = [
        _request("decoder", {"x": np.array([[n]], np.int32)}, ("y", "present"), sequence_id=3, sequence_start=n == 1)
        for n in (1, 2, 3)
    ]
    found = [_outputs(each) for each in infer(untimed, *steps)]
    assert [each["y"].tolist() for each in found] == [[[1]], [[3]], [[6]]]
    assert found[-1]["present"].tolist() == [[[1], [2], [3]]]


def test_what_states_grow_to_is_counted_and_bounded(tmp_path: Path) -> None:
    CACHE.write(tmp_path / "repository")
    step, large = np.ones((1, 1, 2), np.float32), np.ones((1, 12, 2), np.float32)
    with running_server(tmp_path / "repository", tmp_path, max_state_bytes=80) as server, asking(server.grpc) as asker:

        def ask(x: Any, sequence: int = 1, **place: Any) -> list[int]:
            (response,) = infer(asker, _request("cache", {"x": x}, ("present",), sequence_id=sequence, **place))
            return list(_outputs(response)["present"].shape)

        ask(step, sequence_start=True)
        ask(step)
        assert server.total("soloist_session_state_bytes", model="cache") == 16
        for place in ({}, {"sequence": 2, "sequence_start": True}):
            with pytest.raises(SoloistError) as caught:
                ask(large, **place)
            assert caught.value.reason == "SESSION_STATE_FULL"
        assert server.total("soloist_sessions_open", model="cache") == 1
        assert ask(step, sequence_end=True) == [1, 3, 2]
        assert server.total("soloist_session_state_bytes", model="cache") == 0


def test_states_may_be_brought(untimed: Asker) -> None:
    sent = {"x": np.zeros((1, 1), np.float32), "s": np.array([[5, 5]], np.float32)}
    (response,) = infer(untimed, _request("memory", sent, ("s_next",)))
    assert _outputs(response)["s_next"].tolist() == [[6, 7]]


def test_the_rows_of_a_request_are_one_run(server: RunningServer, untimed: Asker) -> None:
    x, q = np.arange(12, dtype=np.float32).reshape(2, 2, 3), np.ones((2, 5), np.float32)
    (response,) = infer(untimed, _request("mixed", {"x": x, "q": q}))
    found = _outputs(response)
    assert found["y"].tolist() == (x - x.mean(axis=0)).tolist()
    assert found["z"].shape == (2, 5)
    assert server.total("soloist_batch_size_sum", model="mixed") == server.total(
        "soloist_batch_size_count", model="mixed"
    )


@pytest.mark.parametrize(
    ("model", "changed", "reason"),
    [
        ("grid", {"x": np.zeros((1, 1, 4), np.float32)}, "INPUT_SHAPE_MISMATCH"),
        ("grid", {"x": np.zeros((1, 3), np.float32)}, "INPUT_SHAPE_MISMATCH"),
        ("grid", {"x": np.zeros((1, 1, 3), np.int32)}, "INPUT_TYPE_MISMATCH"),
        ("grid", {"keep": np.ones(2, bool)}, "GRAPH_REFUSED"),
        ("grid", {"z": np.ones(2, bool)}, "INPUT_UNKNOWN"),
        ("grid", {"ids": None}, "INPUT_MISSING"),
        ("mixed", {"x": np.zeros((5, 1, 1), np.float32), "q": np.zeros((5, 1), np.float32)}, "BATCH_TOO_LARGE"),
        ("mixed", {"x": np.zeros((2, 1, 1), np.float32), "q": np.zeros((3, 1), np.float32)}, "INPUT_SHAPE_MISMATCH"),
    ],
)
def test_what_does_not_fit_is_refused(untimed: Asker, model: str, changed: dict[str, Any], reason: str) -> None:
    inputs = (grid_inputs(3, 3) if model == "grid" else {}) | changed
    with pytest.raises(SoloistError) as caught:
        infer(untimed, _request(model, {name: array for name, array in inputs.items() if array is not None}))
    assert (caught.value.code.name, caught.value.reason) == ("INVALID_ARGUMENT", reason)
    assert "memory" not in caught.value.message


def test_a_byte_of_bool_that_is_neither_true_nor_false(server: RunningServer, untimed: Asker) -> None:
    message = _request("grid", grid_inputs(1, 5) | {"keep": np.array([1, 0, 2, 1, 1], np.uint8).view(np.bool_)})
    with pytest.raises(SoloistError) as caught:
        infer(untimed, message)
    assert (caught.value.reason, caught.value.facts["value"]) == ("INPUT_VALUE_OUT_OF_RANGE", "2")
    found = post(server.http, message, binary=True)
    assert (found.status, found.json["facts"]) == (400, caught.value.facts)


def test_an_empty_cache_may_be_brought_as_nested_lists(server: RunningServer) -> None:
    arrays = {"x": np.ones((1, 3, 2), np.float32), "past": np.zeros((1, 0, 2), np.float32)}
    inputs = [
        {"name": name, "datatype": "FP32", "shape": array.shape, "data": array.tolist()}
        for name, array in arrays.items()
    ]
    body = json.dumps({"inputs": inputs, "outputs": [{"name": "present"}]}).encode()
    found = ask_rest(server.http, "POST", "/v2/models/cache/infer", body)
    assert found.status == 200, found.body
    assert found.outputs()["present"].tolist() == arrays["x"].tolist()


def test_an_output_that_is_none(untimed: Asker) -> None:
    with pytest.raises(SoloistError, match="no output"):
        infer(untimed, _request("grid", grid_inputs(1, 1), ("z",)))


@pytest.mark.parametrize("model", ["grid", "memory", "unrun"])
def test_our_own_calls_say_that_they_have_to_know_time(client: Client, model: str) -> None:
    frames = np.zeros((3, 3), np.float32)
    for call in (client.predict, client.compare, lambda model, _: client.stream(model).__enter__()):
        with pytest.raises(SoloistError) as caught:
            call(model, frames)
        assert (caught.value.code.name, caught.value.reason) == ("FAILED_PRECONDITION", "TIME_AXIS_UNKNOWN")
        assert "layout." in caught.value.message


def test_it_is_told_as_it_is_served(untimed: Asker, client: Client) -> None:
    stub = stub_of(untimed)
    reported = stub.ModelMetadata(pb.ModelMetadataRequest(name="grid"))
    shapes = {each.name: (each.datatype, list(each.shape)) for each in (*reported.inputs, *reported.outputs)}
    assert shapes["x"] == ("FP32", [-1, -1, 3])
    assert shapes["pixel"] == ("UINT8", [1, 2])
    assert shapes["total"] == ("FP32", [1])
    config = stub.ModelConfig(pb.ModelConfigRequest(name="bare")).config
    assert config.max_batch_size == 0
    assert [list(each.dims) for each in config.input] == [[-1, -1, 3], [-1], [-1], [2], [-1]]
    model = client.model("grid")
    assert model.status.ready
    assert model.manifest is not None
    assert not model.manifest.HasField("certificate")
    assert not model.manifest.signature.HasField("frames")
    assert stub.ModelReady(pb.ModelReadyRequest(name="grid")).ready
    infer(untimed, _request("grid", grid_inputs(1, 1)))
    (counts,) = stub.ModelStatistics(pb.ModelStatisticsRequest(name="grid")).model_stats
    assert counts.inference_stats.success.count == counts.execution_count > 0


def test_a_first_run_that_fails_is_a_warning(server: RunningServer, untimed: Asker, client: Client) -> None:
    for name in ("sevens", "unrun"):
        assert client.model(name).status.ready
        assert "made-up inputs failed" in client.model(name).status.reason
    entries = stub_of(untimed).RepositoryIndex(pb.RepositoryIndexRequest()).models
    assert {each.name: bool(each.reason) for each in entries if each.state == "READY"} == {
        "grid": False, "bare": False, "mixed": False, "memory": False, "cache": False, "decoder": False,
        "sevens": True, "unrun": True,
    }  # fmt: skip
    assert "warm-up failed" in server.stderr.read_text()
    x = np.arange(14, dtype=np.float32)
    for name, sent in (("sevens", x), ("unrun", x.reshape(2, 7))):
        (response,) = infer(untimed, _request(name, {"x": sent}))
        assert _outputs(response)["y"].tolist() == x.reshape(2, 7).tolist()
        with pytest.raises(SoloistError) as caught:
            infer(untimed, _request(name, {"x": np.ones((1, 3) if name == "unrun" else 3, np.float32)}))
        assert caught.value.reason == "GRAPH_REFUSED"
    assert client.predict("sevens", x, every_frame=True).outputs.shape == (2, 7)


def test_it_is_unloaded_and_loaded_like_any_other(untimed: Asker) -> None:
    stub = stub_of(untimed)
    for name in ("unrun", "bare"):
        stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name=name))
        assert not stub.ModelReady(pb.ModelReadyRequest(name=name)).ready
        stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name=name))
        assert stub.ModelReady(pb.ModelReadyRequest(name=name)).ready


def test_it_cannot_be_certified(server: RunningServer) -> None:
    found = CliRunner().invoke(main, ["certify", str(server.repository / GRID.name / "1" / "model.onnx")])
    assert found.exit_code == 2
    assert "its time axis is unknown" in found.output
