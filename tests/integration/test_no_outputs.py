"""Answers without a row: a graph that needs more frames for its first output gives [0, K] and no class, everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from soloist import Admin, AsyncClient, Client, Monitor
from soloist.cli.main import main
from soloist.v1 import sequence_inference_pb2 as pb
from tests.integration.asking import asking, tensor
from tests.integration.infer_requests import converse, infer, outputs_of, request, step
from tests.servers import RunningServer, eventually, running_server
from tests.third_party import HALVED, HOLLOW, POOLED, SIFTED, SIFTED_BLOCKS, ThirdPartyModel

X = np.array([[1, 0], [0, 4], [2, 0], [0, 1], [8, 0]], np.float32)


@pytest.fixture(scope="module")
def halving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("halving")
    for model in (HALVED, SIFTED, SIFTED_BLOCKS, HOLLOW, POOLED):
        model.write(folder / "repository")
        if "classes.txt" in model.config:
            (folder / "repository" / model.name / "classes.txt").write_text("left\nright\n")
    second = folder / "repository" / "halved" / "2" / "model.onnx"
    second.parent.mkdir()
    second.write_bytes((folder / "repository" / "halved" / "1" / "model.onnx").read_bytes())
    settings: dict[str, Any] = {
        "prediction_log": folder / "log.db",
        "prediction_log_flush_seconds": 0.02,
        "accuracy_refresh_seconds": 0.05,
        "version_policy": "all",
        "live_check_ratio": 1,
        "max_slice_frames": 4,
        "max_slice_seconds": 0.0,
    }
    with running_server(folder / "repository", folder, **settings) as server:
        yield server
        assert "Traceback" not in server.stderr.read_text()


@pytest.fixture
def client(halving: RunningServer) -> Iterator[Client]:
    with Client(halving.grpc) as client:
        yield client


def reported(answer: Any) -> tuple[tuple[int, ...], int | None, str | None, float | None]:
    return answer.outputs.shape, answer.index, answer.label, answer.confidence


NO_CLASS = ((0, 2), None, None, None)


@pytest.mark.parametrize("every_frame", [False, True])
def test_a_sequence_that_is_too_short_has_no_class(client: Client, every_frame: bool) -> None:
    answer = client.predict("halved", X[:1], every_frame=every_frame)
    assert reported(answer) == NO_CLASS
    assert answer.extra_outputs["top"].shape == (0,)
    assert answer.frame_count == 1
    longer = client.predict("halved", X[:3], every_frame=every_frame)
    assert longer.label == "right"


@pytest.mark.parametrize("cuts", [(1,), (1, 2), (2, 3), (1, 2, 3, 4)])
@pytest.mark.parametrize("every_frame", [False, True])
def test_a_stream_goes_on_behind_a_chunk_that_is_too_short(
    client: Client, cuts: tuple[int, ...], every_frame: bool
) -> None:
    with client.stream("halved", every_frame=every_frame) as stream:
        for chunk, before in zip(np.split(X, cuts), (0, *cuts), strict=True):
            answer = stream.send(chunk)
            expected = chunk[1::2] + X[:before].sum(axis=0)
            if len(expected):
                np.testing.assert_array_equal(answer.outputs, expected if every_frame else expected[-1])
                assert answer.label == ("left", "right")[int(expected[-1].argmax())]
            else:
                assert reported(answer) == NO_CLASS
            again = stream.send(chunk, first_frame=before)
            assert reported(again) == reported(answer)
        assert stream.close() == len(X)


async def test_the_clients_for_asyncio_are_told_the_same(halving: RunningServer) -> None:
    async with AsyncClient(halving.grpc) as client:
        assert reported(await client.predict("halved", X[:1])) == NO_CLASS
        async with client.stream("halved") as stream:
            assert reported(await stream.send(X[:1])) == NO_CLASS
            assert (await stream.send(X[1:])).label == "left"


@pytest.mark.parametrize("every_frame", [False, True])
def test_the_message_holds_no_classification(halving: RunningServer, every_frame: bool) -> None:
    selection = pb.OUTPUT_SELECTION_EVERY_FRAME if every_frame else pb.OUTPUT_SELECTION_LAST
    request = pb.PredictRequest(model="halved", frames=tensor(X[:1]), output_selection=selection)
    with asking(halving.grpc) as asker:
        answer = asker.stub.Predict(request)
    assert not answer.HasField("classification")
    assert list(answer.outputs.shape) == [0, 2]
    assert answer.prediction_id


def test_other_peoples_clients_get_an_empty_output(halving: RunningServer) -> None:
    short, longer = X[None, :1], X[None, :3]
    with asking(halving.grpc) as asker:
        requests = [request(None, model="halved", inputs={"x": each}) for each in (short, longer)]
        answers = infer(asker, *requests)
        assert [outputs_of_y(each).shape for each in answers] == [(1, 0, 2), (1, 1, 2)]
        streamed = converse(asker, *requests)
        assert not any(each.error_message for each in streamed)
        assert sorted(outputs_of_y(each.infer_response).shape for each in streamed) == [(1, 0, 2), (1, 1, 2)]
        typed = pb_typed(short)
        (answer,) = infer(asker, typed)
        assert list(answer.outputs[0].shape) == [1, 0, 2]
        assert not answer.raw_output_contents


def test_a_sequence_of_the_open_inference_protocol_goes_on(halving: RunningServer) -> None:
    with asking(halving.grpc) as asker:
        for ask in (infer, converse):
            steps = [
                step(7, None, model="halved", inputs={"x": X[None, first:end]}, start=not first, end=end == 5)
                for first, end in ((0, 1), (1, 3), (3, 5))
            ]
            answers = [getattr(each, "infer_response", each) for each in ask(asker, *steps)]
            shapes = [outputs_of_y(each).shape for each in answers]
            assert shapes == [(1, 0, 2), (1, 1, 2), (1, 1, 2)]
            np.testing.assert_array_equal(outputs_of_y(answers[-1])[0, 0], X[4] + X[:3].sum(axis=0))


def outputs_of_y(response: Any) -> Any:
    names = [each.name for each in response.outputs]
    assert names == ["y", "top"]
    return outputs_of_first(response)


def outputs_of_first(response: Any) -> Any:
    return np.frombuffer(response.raw_output_contents[0], "<f4").reshape(response.outputs[0].shape)


def pb_typed(frames: Any) -> Any:
    message = request(None, model="halved", inputs={"x": frames})
    del message.raw_input_contents[:]
    message.inputs[0].contents.fp32_contents.extend(frames.ravel().tolist())
    return message


@pytest.mark.parametrize("command", ["predict", "stream"])
@pytest.mark.parametrize("every_frame", [False, True])
def test_the_command_line_says_so(halving: RunningServer, tmp_path: Path, command: str, every_frame: bool) -> None:
    file = tmp_path / "x.npy"
    np.save(file, X[:1])
    ask = [command, "halved", str(file), "--server", halving.grpc, *(["--every-frame"] if every_frame else [])]
    done = CliRunner().invoke(main, ask)
    assert done.exit_code == 0, done.output
    assert "no output" in done.stdout
    done = CliRunner().invoke(main, [*ask, "--json"])
    assert done.exit_code == 0, done.output
    fields = json.loads(done.stdout)
    assert [fields[name] for name in ("outputs", "label", "index", "confidence")] == [[], None, None, None]


def test_the_command_line_shows_one_number_a_frame(halving: RunningServer, tmp_path: Path) -> None:
    file = tmp_path / "x.npy"
    np.save(file, np.arange(7, dtype=np.float32))
    for more, lines in (((), ["6"]), (("--every-frame",), ["0: 4", "1: 5", "2: 6", "6"])):
        done = CliRunner().invoke(main, ["predict", "pooled", str(file), "--server", halving.grpc, *more])
        assert done.exit_code == 0, done.output
        assert [line.split("  ")[0] for line in done.stdout.splitlines()] == lines


def test_outputs_without_elements_are_shown_too(halving: RunningServer, client: Client, tmp_path: Path) -> None:
    assert client.predict("hollow", X).outputs.shape == (0,)
    assert client.predict("hollow", X, every_frame=True).outputs.shape == (5, 0)
    file = tmp_path / "x.npy"
    np.save(file, X)
    for more in ((), ("--every-frame",), ("--json",)):
        done = CliRunner().invoke(main, ["predict", "hollow", str(file), "--server", halving.grpc, *more])
        assert done.exit_code == 0, done.output
    with asking(halving.grpc) as asker:
        (answer,) = infer(asker, request(None, model="hollow", inputs={"x": X[None]}))
        assert outputs_of(answer)["y"].shape == (1, 5, 0)


def test_a_shadow_that_has_none_either_agrees(halving: RunningServer, client: Client) -> None:
    labels = {"model": "halved", "version": "1", "shadow": "2"}

    def steps(outcome: str) -> float:
        return halving.total("soloist_shadow_steps_total", **labels, outcome=outcome)

    with Admin(halving.grpc) as operator:
        operator.spread("halved", shadow_version=2)
        try:
            with client.stream("halved", version=1) as stream:
                for chunk in (X[:1], X[1:3], X[3:4]):
                    stream.send(chunk)
            assert eventually(lambda: steps("equal-bits") == 3)
            assert steps("failed") == 0
        finally:
            operator.spread("halved", shadow_version=0)


def test_the_last_output_may_be_that_of_an_earlier_slice(client: Client) -> None:
    frames = np.concatenate([np.arange(8, dtype=np.float32).reshape(4, 2), np.full((8, 2), -1, np.float32)])
    assert client.predict("sifted-blocks", frames, every_frame=True).outputs.tolist() == frames[:4].tolist()
    last = client.predict("sifted-blocks", frames)
    assert last.outputs.tolist() == frames[3].tolist()
    assert last.label == "right"
    assert reported(client.predict("sifted-blocks", frames[4:])) == NO_CLASS


def test_the_log_leaves_out_what_has_no_class(halving: RunningServer, client: Client) -> None:
    """The graph seemed to give an output a frame, so its answers are logged, and written many at a time."""
    with client.stream("sifted") as stream:
        answers = [stream.send(chunk) for chunk in (X[:2], -X[1:3], X[2:4])]
    assert [each.label for each in answers] == ["right", None, "right"]
    whole = client.predict("sifted", -X[3:])
    assert reported(whole) == NO_CLASS
    outcomes = {"model": "sifted", "version": "1", "outcome": "joined"}
    before = halving.total("soloist_labels_total", **outcomes)
    for prediction_id in [*(each.prediction_id for each in answers), whole.prediction_id]:
        client.report(prediction_id, "right")
    assert eventually(lambda: halving.total("soloist_labels_total", **outcomes) == before + 2)
    assert halving.total("soloist_prediction_log_dropped_total", model="sifted") == 0
    with Monitor(halving.grpc) as monitor:
        (found,) = monitor.accuracy("sifted")
        assert found.windows[0].total.accuracy == 1


@pytest.mark.parametrize("model", [HALVED, SIFTED])
def test_answers_are_those_of_a_loop(client: Client, model: ThirdPartyModel) -> None:
    frames = np.abs(model.frames(np.random.default_rng(3), 9))
    expected = model.alone(frames, (1, 2, 5))["y"]
    with client.stream(model.name, every_frame=True) as stream:
        found = [stream.send(chunk).outputs for chunk in np.split(frames, (1, 2, 5))]
    assert np.array_equal(np.concatenate(found), expected)
