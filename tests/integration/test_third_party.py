"""A server with models of somebody else's make: what it tells of them, what it tells them, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from service.certificate import fingerprint_here
from service.engine.model_file import read_model_file
from service.engine.session import open_session
from service.loading import certificate_check
from service.loading.model_config import describe
from soloist import AsyncClient, Client, ModelState, SoloistError
from soloist.cli.main import main
from soloist.oip import grpc_service_pb2 as pb
from soloist.v1.certificate_pb2 import DIMENSION_BATCH, VERDICT_BITWISE, Certificate, DimensionVerdict
from tests.integration.asking import Asker, asking
from tests.integration.infer_requests import infer, outputs_of, request, step, stub_of
from tests.servers import RunningServer, eventually, running_server
from tests.third_party import (
    AUXILIARY,
    BLOCKS,
    CONTROLS,
    LOOKED_UP,
    NO_BATCH,
    POOLED,
    STEADY_WINDOW,
    THIRD_PARTY_MODELS,
    UNTOLD,
    WINDOW,
    ThirdPartyModel,
)

PROVED = (STEADY_WINDOW, LOOKED_UP)
X = np.linspace(-1, 1, 24, dtype=np.float32)
GAIN = np.array(1.5, np.float32)


@pytest.fixture(scope="module")
def third_party_server(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("third_party_server")
    repository = folder / "repository"
    for model in THIRD_PARTY_MODELS:
        model.write(repository)
    _certified(repository)
    _unwelcome(repository)
    with running_server(repository, folder, transport=transport) as server:
        yield server


@pytest.fixture(scope="module")
def third_party_asker(third_party_server: RunningServer) -> Iterator[Asker]:
    with asking(third_party_server.grpc) as asker:
        yield asker


@pytest.fixture
def client(third_party_server: RunningServer) -> Iterator[Client]:
    with Client(third_party_server.grpc) as client:
        yield client


def _unwelcome(repository: Path) -> None:
    """Write a model whose state grows, and one whose configuration isn't true of it."""
    growing = """grow (float[T] x, float[N] s) => (float[T] y, float[M] s_next) {
  y = Neg (x)
  s_next = Concat <axis = 0> (s, x)
}"""
    state = 'sequence_batching { state { input_name: "s" output_name: "s_next" data_type: TYPE_FP32 dims: [ 1 ] } }'
    for name, graph, config in (
        ("growing", growing, f"max_batch_size: 0 {state}"),
        ("false", NO_BATCH.graph, NO_BATCH.config.replace('"x"', '"z"')),
    ):
        ThirdPartyModel(
            name=name, graph=graph, config=config, frames=POOLED.frames, feed=POOLED.feed, outputs={}
        ).write(repository)


def _certified(repository: Path) -> None:
    """Write models with a certificate beside: one that is theirs, and one half written, with names for classes."""
    path = STEADY_WINDOW.write(repository)
    model = describe(path.parents[1] / "config.pbtxt", open_session(path)).model
    verdict = DimensionVerdict(dimension=DIMENSION_BATCH, verdict=VERDICT_BITWISE, cases=9)
    certificate_check.write(
        path, read_model_file(path).sha256, model, Certificate(fingerprint=fingerprint_here(), verdicts=[verdict])
    )
    path = LOOKED_UP.write(repository)
    path.with_name(certificate_check.FILE).write_text('{"model_sha')
    config = path.parents[1] / "config.pbtxt"
    config.write_text(config.read_text().replace("dims: [ 2 ] }", 'dims: [ 2 ] label_filename: "classes.txt" }', 1))
    config.with_name("classes.txt").write_bytes(" \n\u2028right\r\n".encode())


def test_a_certificate_beside_a_model_is_told_as_one_inside(third_party_server: RunningServer, client: Client) -> None:
    steady, other = client.model("steady-window").manifest, client.model("looked-up").manifest
    assert steady is not None
    assert other is not None
    assert [each.cases for each in steady.certificate.verdicts] == [9]
    assert not other.HasField("certificate")
    log = third_party_server.stderr.read_text()
    assert log.count("certificate ignored") == 1
    assert "certificate.json can't be parsed" in log


def test_a_class_has_the_name_of_its_line(client: Client) -> None:
    found = [client.predict("looked-up", np.array([token])).label for token in (0, 1)]
    assert found == [" ", "\u2028right"]


def test_what_cannot_be_served_says_why_and_leaves_the_others_alone(client: Client) -> None:
    models = {model.name: model for model in client.models()}
    assert {name for name, model in models.items() if model.ready} == {
        model.name for model in (*THIRD_PARTY_MODELS, *PROVED)
    }
    unready = {name: model.reason for name, model in models.items() if model.state is ModelState.UNAVAILABLE}
    assert set(unready) == {"growing", "false"}
    assert "state 's' comes back as [2], and was [1]" in unready["growing"]
    assert "no input 'z'" in unready["false"]


def test_a_graph_without_configuration_is_shown_as_it_is_served(client: Client, third_party_asker: Asker) -> None:
    manifest = client.model("untold").manifest
    assert manifest is not None
    assert list(manifest.signature.frames.shape) == [-1, -1, 2]
    assert [spec.name for spec in manifest.signature.extra_outputs] == ["top"]
    stub = stub_of(third_party_asker)
    reported = stub.ModelMetadata(pb.ModelMetadataRequest(name="untold"))
    assert [(each.name, list(each.shape)) for each in reported.outputs] == [("y", [-1, -1, 2]), ("top", [-1, -1])]
    config = stub.ModelConfig(pb.ModelConfigRequest(name="untold")).config
    assert (config.name, config.backend, config.max_batch_size > 0) == ("untold", "onnxruntime", True)
    assert [(each.name, list(each.dims)) for each in config.input] == [("x", [-1, 2])]


def test_clients_see_the_axes_of_the_configuration(third_party_asker: Asker) -> None:
    stub = stub_of(third_party_asker)

    def shapes(model: str) -> dict[str, list[int]]:
        reported = stub.ModelMetadata(pb.ModelMetadataRequest(name=model))
        return {each.name: list(each.shape) for each in (*reported.inputs, *reported.outputs)}

    assert shapes("batch-second") == {"x": [-1, -1, 3], "y": [-1, -1, 3]}
    assert shapes("no-batch") == {"x": [-1, 3], "y": [-1]}
    assert shapes("window") == {"x": [-1, 8], "y": [-1, 1]}  # what is constant is nobody's business
    assert shapes("blocks") == {"x": [-1, 4, 2], "y": [-1, 2]}
    assert shapes("told") == {"x": [-1, -1, 1], "y": [-1, -1, 1], "who": [-1, 1], "there": [-1, 1]}
    config = stub.ModelConfig(pb.ModelConfigRequest(name="window")).config
    assert config.parameters["constant.rate"].string_value == "16000"
    assert config.sequence_batching.state[0].input_name == "state"


def test_a_model_is_told_where_in_its_sequence_it_is(client: Client) -> None:
    frames = np.zeros((2, 1), np.float32)
    whole = client.predict("told", frames, every_frame=True)
    assert whole.outputs.ravel().tolist() == [110, 110]
    assert (whole.extra_outputs["who"].item(), whole.extra_outputs["there"].item()) == (0, True)
    with client.stream("told") as stream:
        found = [stream.send(frames) for _ in range(3)]
    assert [each.outputs.item() for each in found] == [10, 0, 0]  # close comes after the last chunk
    numbers = {each.extra_outputs["who"].item() for each in found}
    assert len(numbers) == 1
    assert numbers != {0}


def test_a_model_is_told_what_the_open_protocol_says(third_party_asker: Asker) -> None:
    frames = np.zeros((1, 1, 1), np.float32)
    steps = [step(9, start=at == 0, end=at == 2, model="told", inputs={"x": frames}, outputs=("y",)) for at in range(3)]
    for message in steps:
        del message.inputs[0], message.raw_input_contents[0]
    assert [outputs_of(response)["y"].item() for response in infer(third_party_asker, *steps)] == [10, 0, 100]


def test_an_optional_input_may_be_left_out(client: Client) -> None:
    frames, mask = X.reshape(-1, 2), np.ones(12, np.float32)
    without = client.predict("further", frames, inputs={"gain": GAIN, "mask": mask})
    shifted = client.predict(
        "further", frames, inputs={"gain": GAIN, "mask": mask, "shift": np.array([1, 2], np.float32)}
    )
    assert (shifted.outputs - without.outputs).round(5).tolist() == [1, 2]


def test_rows_of_the_open_protocol_are_run_one_by_one(third_party_asker: Asker) -> None:
    rows = np.stack([X.reshape(-1, 8), X[::-1].reshape(-1, 8)]).reshape(-1, 8).astype(np.float32)
    (together,) = infer(third_party_asker, request(None, model="window", inputs={"x": rows}))
    alone = infer(third_party_asker, *(request(None, model="window", inputs={"x": row[None]}) for row in rows))
    assert outputs_of(together)["y"].tobytes() == b"".join(outputs_of(each)["y"].tobytes() for each in alone)


@pytest.mark.parametrize("entries", [1, 3, 5])
def test_an_input_with_other_frames_than_the_sequence(third_party_asker: Asker, entries: int) -> None:
    sent = {"x": np.ones((1, 4, 2), np.float32), "mask": np.ones((1, entries), np.float32), "gain": GAIN.reshape(1, 1)}
    with pytest.raises(SoloistError) as error:
        infer(third_party_asker, request(None, model="further", inputs=sent))
    assert (error.value.reason, error.value.facts["input"]) == ("INPUT_SHAPE_MISMATCH", "mask")
    assert error.value.facts["expected"] == "an entry for each of the 4 frames"


def test_frames_that_a_graph_refuses(third_party_server: RunningServer, client: Client) -> None:
    assert client.predict("pooled", X, every_frame=True).outputs.shape == (20,)
    error = _refused(client, "pooled", X[:3])
    assert (error.code.name, error.reason) == ("INVALID_ARGUMENT", "GRAPH_REFUSED")
    assert "[3]" in error.message
    assert "[E:onnxruntime" not in third_party_server.stderr.read_text()


def test_a_refused_chunk_leaves_no_session(third_party_server: RunningServer, client: Client) -> None:
    stream = client.stream("blocks")
    stream.__enter__()
    stream.send(X.reshape(-1, 2))
    with pytest.raises(SoloistError, match="multiple"):
        stream.send(X[:4].reshape(-1, 2))
    assert eventually(lambda: third_party_server.total("soloist_sessions_open") == 0)


def test_frames_that_fill_no_run(client: Client) -> None:
    error = _refused(client, "blocks", X[:6].reshape(-1, 2))
    assert (error.reason, error.facts["frames_per_run"]) == ("FRAME_COUNT_MISMATCH", "4")


async def test_inputs_go_with_every_chunk(third_party_server: RunningServer, client: Client) -> None:
    chunks, inputs = np.split(X.reshape(-1, 2), 3), {"gain": GAIN, "mask": np.ones(4, np.float32)}
    async with AsyncClient(third_party_server.grpc) as asynchronous:
        found = [each async for each in asynchronous.stream_chunks("further", chunks, inputs=inputs)]
    whole = client.predict("further", X.reshape(-1, 2), inputs={"gain": GAIN, "mask": np.ones(12, np.float32)})
    assert found[-1].outputs.tolist() == whole.outputs.tolist()


def test_inputs_from_files_on_the_command_line(
    third_party_server: RunningServer, client: Client, tmp_path: Path
) -> None:
    arrays = {"x": X.reshape(-1, 2), "gain": GAIN, "mask": np.ones(12, np.float32)}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    asked = ["predict", "further", str(tmp_path / "x.npy"), "--json", "--server", third_party_server.grpc]
    reported = [argument for name in ("gain", "mask") for argument in ("--input", f"{name}={tmp_path / name}.npy")]
    found = CliRunner().invoke(main, [*asked, *reported])
    expected = client.predict("further", arrays["x"], inputs={"gain": GAIN, "mask": arrays["mask"]})
    printed = json.loads(found.stdout)
    assert printed["outputs"] == expected.outputs.tolist()
    assert printed["extra_outputs"] == {name: array.tolist() for name, array in expected.extra_outputs.items()} != {}
    for wrong in ("gain", f"={tmp_path}/x.npy", f"gain={tmp_path}/none.npy", f"gain={__file__}"):
        assert CliRunner().invoke(main, [*asked, "--input", wrong]).exit_code == 2


def test_inputs_that_are_none(client: Client) -> None:
    frames, mask = X.reshape(-1, 2), np.ones(12, np.float32)
    good: dict[str, Any] = {"gain": GAIN, "mask": mask}
    for inputs, reason in (
        ({"gain": GAIN}, "INPUT_MISSING"),
        (good | {"nothing": GAIN}, "INPUT_UNKNOWN"),
        (good | {"gain": 1.5}, "INPUT_TYPE_MISMATCH"),
        (good | {"mask": mask[1:]}, "INPUT_SHAPE_MISMATCH"),
        (good | {"gain": np.array(np.inf, np.float32)}, "INPUT_NON_FINITE"),
    ):
        error = _refused(client, "further", frames, inputs)
        assert error.reason == reason
        assert "ModelMetadata" not in error.message or "GetModel" in error.message  # shapes differ between them


def test_a_byte_of_a_mask_that_is_neither_true_nor_false(client: Client) -> None:
    frames = np.arange(5, dtype=np.int32)
    skip = np.array([0, 1, 0, 2, 0], np.uint8).view(np.bool_)
    error = _refused(client, "masked", frames, {"skip": skip})
    assert (error.code.name, error.reason, error.facts["value"]) == (
        "INVALID_ARGUMENT",
        "INPUT_VALUE_OUT_OF_RANGE",
        "2",
    )
    assert float(client.predict("masked", frames, inputs={"skip": skip != 0}).outputs) == 0 + 2 + 4


def test_what_is_constant_may_be_sent_if_it_is_that(client: Client) -> None:
    frames = X.reshape(-1, 8)
    client.predict("window", frames, inputs={"rate": np.array(16000)})
    error = _refused(client, "window", frames, {"rate": np.array(8000)})
    assert (error.reason, error.facts["value"]) == ("INPUT_CONSTANT", "16000")


def test_a_name_where_a_model_reads_a_number(third_party_asker: Asker) -> None:
    frames = {"x": np.zeros((1, 1, 1), np.float32)}
    message = step("nine", start=True, end=True, model="told", inputs=frames)
    del message.inputs[0], message.raw_input_contents[0]
    with pytest.raises(SoloistError, match="sequence_id"):
        infer(third_party_asker, message)


@pytest.mark.parametrize("model", [BLOCKS, AUXILIARY, NO_BATCH, POOLED, CONTROLS, WINDOW], ids=lambda model: model.name)
def test_what_cannot_be_compared_is_refused(client: Client, model: ThirdPartyModel) -> None:
    with pytest.raises(SoloistError) as caught:
        client.compare(model.name, model.frames(np.random.default_rng(0), 8))
    assert (caught.value.code.name, caught.value.reason) == ("FAILED_PRECONDITION", "COMPARISON_UNSUPPORTED")


def test_what_takes_frames_and_nothing_else_can_be_compared(client: Client) -> None:
    assert client.compare("untold", UNTOLD.frames(np.random.default_rng(0), 8)).models[0].model == "untold"


def _refused(client: Client, model: str, frames: Any, inputs: dict[str, Any] | None = None) -> SoloistError:
    with pytest.raises(SoloistError) as caught:
        client.predict(model, frames, inputs=inputs)
    return caught.value
