"""Fields of config.pbtxt through a running server: honoured, passed over, or refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from soloist import Client, ModelState, SoloistError
from soloist.oip import grpc_service_pb2 as pb
from tests.integration.asking import Asker, asking
from tests.integration.infer_requests import infer, request, stub_of
from tests.servers import RunningServer, eventually, running_server
from tests.third_party import BEGUN, NO_BATCH, UNTOLD, ThirdPartyModel

NAMES = [" ", "\u2028", "a\x0cb", "\x1c", "\x0b", "  two ", "", "x:y", "\r", "\x85", "über"]
_ADDED = """add (float[B,T] x) => (float[B,T] y) {{
  by = Constant <value = float {{{0}}}> ()
  y = Add (x, by)
}}"""
_LETTERS = f"""letters (float[B,T] x) => (float[B,T,{len(NAMES)}] y) {{
  two = Constant <value = int64[1] {{2}}> ()
  class = Constant <value = float[{len(NAMES)}] {{{", ".join(f"{n}.0" for n in range(len(NAMES)))}}}> ()
  wide = Unsqueeze (x, two)
  apart = Sub (wide, class)
  far = Abs (apart)
  y = Neg (far)
}}"""
REFUSED = {
    # name of the model: (what its configuration says, what has to be told)
    "up": ('default_model_filename: "../1/model.onnx"', "default_model_filename"),
    "hidden": ('default_model_filename: ".model.onnx"', "default_model_filename"),
    "gone": ('default_model_filename: "gone.onnx"', "gone.onnx"),
    "capable": ('cc_model_filenames { key: "7.5" value: "model.onnx" }', "cc_model_filenames"),
    "agents": ('model_repository_agents { agents { name: "checksum" } }', "model_repository_agents"),
    "operators": ('model_operations { op_library_filename: "ops.so" }', "model_operations"),
    "decoupled": ("model_transaction_policy { decoupled: true }", "model_transaction_policy"),
    "ensemble": ("ensemble_scheduling { }", "ensemble_scheduling"),
    "runtime": ('runtime: "other"', "runtime"),
    "order": ("dynamic_batching { preserve_ordering: true }", "preserve_ordering"),
    "patience": ("dynamic_batching { default_queue_policy { max_queue_size: 1 } }", "default_queue_policy"),
    "shape-output": ('output { name: "y" is_shape_tensor: true }', "is_shape_tensor"),
    "linear": ('input { name: "x" is_non_linear_format_io: true }', "is_non_linear_format_io"),
    "later": ("max_batch_size: 4\n  newer_field: 7", "line 2, column 3: no such field: 'newer_field'"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("fields")
    repository = folder / "repository"
    one = replace(UNTOLD, graph=_ADDED.format("1.0"))
    named = '\ufeffmax_batch_size: 4 default_model_filename: "other.onnx"'
    path = replace(one, name="named", config=named).write(repository)
    replace(one, name="spare", graph=_ADDED.format("2.0")).write(folder).replace(path.with_name("other.onnx"))
    path = replace(one, name="only", config='max_batch_size: 4 default_model_filename: "w.onnx"').write(repository)
    path.rename(path.with_name("w.onnx"))
    _idle(repository)
    _letters(repository)
    for name, (config, _) in REFUSED.items():
        replace(one, name=name, config=config).write(repository)
    with running_server(repository, folder) as server:
        yield server


def _idle(repository: Path) -> None:
    reported = "sequence_batching { max_sequence_idle_microseconds: 100000 oldest { max_candidate_sequences: 9 } "
    config = NO_BATCH.config.replace("sequence_batching {", reported)
    ignored = 'optimization { graph { level: 1 } } instance_group { count: 3 } metric_tags { key: "a" value: "b" }'
    replace(NO_BATCH, name="idle", config=f"{config} {ignored}").write(repository)
    replace(NO_BATCH, name="patient").write(repository)


def _letters(repository: Path) -> None:
    labelled = f'max_batch_size: 4 output {{ name: "y" dims: [ -1, {len(NAMES)} ] label_filename: "names.txt" }}'
    content = b"\xef\xbb\xbf" + b"".join(name.encode() + end for name, end in zip(NAMES, _ends(), strict=True))
    for name, text in (("letters", content), ("mangled", content.replace("über".encode(), b"\xfcber"))):
        model: ThirdPartyModel = replace(BEGUN, name=name, graph=_LETTERS, config=labelled, files={}, states={})
        (model.write(repository).parents[1] / "names.txt").write_bytes(text)


def _ends() -> list[bytes]:
    return [b"\r\n" if n % 2 == 0 else b"\n" for n in range(len(NAMES))]


@pytest.fixture(scope="module")
def fields(server: RunningServer) -> Iterator[Asker]:
    with asking(server.grpc) as asker:
        yield asker


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with Client(server.grpc) as client:
        yield client


@pytest.mark.parametrize(("model", "file", "added"), [("named", "other.onnx", 2), ("only", "w.onnx", 1)])
def test_the_file_that_is_named_is_served(client: Client, fields: Asker, model: str, file: str, added: int) -> None:
    assert client.predict(model, np.zeros(2, np.float32), every_frame=True).outputs.tolist() == [added, added]
    reported = stub_of(fields).ModelConfig(pb.ModelConfigRequest(name=model)).config
    assert reported.default_model_filename == file


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_refused_by_name(client: Client, name: str) -> None:
    status = next(model for model in client.models() if model.name == name)
    assert status.state is ModelState.UNAVAILABLE
    assert REFUSED[name][1] in status.reason
    assert "/" not in status.reason.replace("../1/model.onnx", "")


def test_what_is_told_back_is_what_is_done(fields: Asker) -> None:
    stub = stub_of(fields)
    idle = stub.ModelConfig(pb.ModelConfigRequest(name="idle")).config
    assert idle.sequence_batching.max_sequence_idle_microseconds == 100_000
    assert not idle.HasField("optimization")
    assert not idle.instance_group
    assert not idle.metric_tags
    assert idle.sequence_batching.oldest.max_candidate_sequences == 0
    patient = stub.ModelConfig(pb.ModelConfigRequest(name="patient")).config
    assert patient.sequence_batching.max_sequence_idle_microseconds > 10_000_000  # the server's idle_seconds


def test_a_sequence_ends_after_the_silence_that_its_model_allows(
    server: RunningServer, client: Client, fields: Asker
) -> None:
    frames = np.zeros((1, 3), np.float32)

    def ask(model: str, *, start: bool) -> None:
        place = {"sequence_id": 5, "sequence_start": start}
        infer(fields, request(None, model=model, inputs={"x": frames}, parameters=place))

    for model in ("patient", "idle"):
        ask(model, start=True)
    assert eventually(lambda: server.total("soloist_sessions_ended_total", model="idle", reason="idle") == 1)
    with pytest.raises(SoloistError) as caught:
        ask("idle", start=False)
    assert (caught.value.reason, caught.value.facts["idle_seconds"]) == ("SEQUENCE_EVICTED", "0.1")
    ask("patient", start=False)
    stream = client.stream("idle")
    stream.__enter__()
    assert eventually(lambda: server.total("soloist_sessions_ended_total", model="idle", reason="idle") == 2)
    with pytest.raises(SoloistError) as caught:
        stream.send(frames)
    assert (caught.value.reason, caught.value.facts["idle_seconds"]) == ("SESSION_IDLE", "0.1")


def test_names_of_classes_are_kept_byte_for_byte(client: Client) -> None:
    manifest = client.model("letters").manifest
    assert manifest is not None
    assert list(manifest.labels) == NAMES
    found = [client.predict("letters", np.full(1, n, np.float32)).label for n in range(len(NAMES))]
    assert found == NAMES


def test_names_that_are_no_text_are_told_by_file_and_line(client: Client) -> None:
    reason = next(model.reason for model in client.models() if model.name == "mangled")
    assert "names.txt" in reason
    assert f"line {len(NAMES)} isn't UTF-8" in reason
