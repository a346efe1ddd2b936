"""Third-party models are certified too, and a certificate beside one counts for it, here, and for nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf import json_format

from export.certification import certify_model, read_model
from export.certify import refuse_to_store, run, store
from export.errors import ExportError
from service.certificate import Budget, fingerprint_here
from service.engine.model_file import read_model_file
from service.loading.certificate_check import FILE, read
from service.loading.servable import LoadPolicy, Servable, load_servable
from soloist.v1 import certificate_pb2 as pb
from soloist.v1.stored_certificate_pb2 import StoredCertificate
from tests.graphs import Sums
from tests.third_party import (
    AUXILIARY,
    BEGUN,
    BLOCKS,
    CONTROLS,
    LOOKED_UP,
    NO_BATCH,
    POOLED,
    STEADY_WINDOW,
    WINDOW,
    ThirdPartyModel,
)
from tests.third_party.model import parameter

TOKENS = replace(LOOKED_UP, config=LOOKED_UP.config + parameter("token_count", "3"))
BUDGET = Budget(seconds=60, max_cases=64)
BATCH, CHUNKING = pb.DIMENSION_BATCH, pb.DIMENSION_CHUNKING
BITWISE = pb.VERDICT_BITWISE


@pytest.mark.parametrize("third_party", [BEGUN, TOKENS, STEADY_WINDOW], ids=lambda third_party: third_party.name)
def test_what_takes_a_frame_a_run_is_proved_run_by_run(tmp_path: Path, third_party: ThirdPartyModel) -> None:
    assert _verdicts(third_party, tmp_path) == {BATCH: BITWISE, CHUNKING: BITWISE}


def test_sums_over_rows_are_found(tmp_path: Path) -> None:
    path = WINDOW.write(tmp_path)
    certificate = certify_model(path, read_model(path), BUDGET)
    batch, chunking = certificate.verdicts
    assert (batch.verdict, chunking.verdict) == (pb.VERDICT_ULP, BITWISE)
    assert (batch.failing_case.batch_size > 1, batch.failing_case.tensor) == (True, "y")


def test_what_has_no_place_for_others_is_proved_where_it_can_vary(tmp_path: Path) -> None:
    assert set(_verdicts(NO_BATCH, tmp_path)) == {CHUNKING}


def test_runs_of_several_frames_are_cut_between_runs(tmp_path: Path) -> None:
    assert _verdicts(BLOCKS, tmp_path) == {BATCH: BITWISE, CHUNKING: BITWISE}


@pytest.mark.parametrize(
    ("third_party", "cause"),
    [(AUXILIARY, "the frames: mask, gain"), (CONTROLS, "it has control inputs"), (LOOKED_UP, "number of tokens")],
    ids=lambda each: getattr(each, "name", ""),
)
def test_what_reads_more_is_not(tmp_path: Path, third_party: ThirdPartyModel, cause: str) -> None:
    path = third_party.write(tmp_path)
    with pytest.raises(ExportError, match=cause):
        certify_model(path, read_model(path), BUDGET)


def test_a_certificate_beside_a_model_lets_its_rows_share_runs(tmp_path: Path) -> None:
    servable = _load(_certified(tmp_path))
    assert (servable.certificate, servable.batched, servable.certificate_fault) == ("bitwise", True, "")
    assert servable.manifest.certificate.fingerprint == fingerprint_here()


def test_the_command_lays_it_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = TOKENS.write(tmp_path)
    asked = partial(run, path, minutes=0.001, config=None, seed=0, as_json=True)
    assert asked(write=False) == 0
    assert not path.with_name(FILE).exists()
    assert asked(write=True) == 0
    assert _load(path).certificate == "bitwise"
    assert capsys.readouterr().out.count("DIMENSION_CHUNKING") == 2


def test_one_of_another_machine_is_proved_again(tmp_path: Path) -> None:
    path = _certified(tmp_path)
    _rewrite(path, lambda stored: stored.certificate.fingerprint.ClearField("cpu_model"))
    without_time, with_time = _load(path), _load(path, seconds=0.2)
    assert (without_time.certificate, without_time.batched) == ("none", False)
    assert (with_time.certificate, with_time.batched) == ("bitwise", True)
    assert with_time.manifest.certificate.fingerprint == fingerprint_here()


def test_verdicts_are_believed_as_they_are(tmp_path: Path) -> None:
    path = _certified(tmp_path)
    _rewrite(path, lambda stored: stored.certificate.verdicts.pop(0))
    assert (_load(path).certificate, _load(path).batched) == ("bitwise", False)


@pytest.mark.parametrize(
    ("spoil", "reported"),
    [
        (lambda path: path.with_name(FILE).write_text('{"model_sha'), "can't be parsed"),
        (lambda path: path.with_name(FILE).write_bytes(b"\xff\x00"), "can't be parsed"),
        (lambda path: path.with_name(FILE).write_text("{}"), "another model.onnx"),
        (lambda path: path.write_bytes(STEADY_WINDOW.model().SerializeToString() + b"\x0a\x00"), "another model.onnx"),
        (lambda path: _edit(path.parents[1] / "config.pbtxt", "16000", "8000"), "another configuration"),
        (lambda path: _rewrite(path, lambda stored: setattr(stored, "causal", False)), "another configuration"),
        (lambda path: (path.with_name(FILE).unlink(), path.with_name(FILE).mkdir()), "directory"),
    ],
    ids=["half-written", "garbage", "empty", "another-file", "another-constant", "another-direction", "a-folder"],
)
def test_what_is_no_certificate_of_it_is_ignored(
    tmp_path: Path, spoil: Callable[[Path], object], reported: str
) -> None:
    path = _certified(tmp_path)
    spoil(path)
    servable = _load(path)
    assert (servable.certificate, servable.batched) == ("uncertified", False)
    assert reported in servable.certificate_fault


def test_a_model_that_cannot_be_proved_has_no_certificate(tmp_path: Path) -> None:
    path = CONTROLS.write(tmp_path)
    model = read_model(path)
    store(path, model, pb.Certificate(fingerprint=fingerprint_here()))
    assert "it has control inputs" in _load(path).certificate_fault


def test_a_proof_that_fails_while_it_is_made_again_leaves_a_model_uncertified(tmp_path: Path) -> None:
    path = POOLED.write(tmp_path)  # it refuses fewer than five frames
    store(path, read_model(path), pb.Certificate(verdicts=[pb.DimensionVerdict(dimension=BATCH, verdict=BITWISE)]))
    servable = _load(path, seconds=1)
    assert servable.certificate == "uncertified"
    assert "can't be certified here" in servable.certificate_fault


def test_a_model_with_a_manifest_has_its_own(tmp_path: Path) -> None:
    sums = Sums(name="sums", features=3)
    with pytest.raises(ExportError, match="manifest"):
        refuse_to_store(sums.write(tmp_path, manifest=sums.manifest))


def test_a_certificate_is_tied_to_the_weights_beside_a_graph(tmp_path: Path) -> None:
    path = STEADY_WINDOW.write(tmp_path)
    model = onnx.load(path)
    weights = next(node for node in model.graph.node if node.op_type == "Constant").attribute[0].t
    weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights)))
    onnx.external_data_helper.set_external_data(weights, "weights.bin")
    path.with_name("weights.bin").write_bytes(weights.raw_data)
    weights.ClearField("raw_data")
    onnx.save_model(model, path)
    refuse_to_store(path)
    verdicts = [pb.DimensionVerdict(dimension=each, verdict=BITWISE, cases=9) for each in (BATCH, CHUNKING)]
    store(path, read_model(path), pb.Certificate(fingerprint=fingerprint_here(), verdicts=verdicts))
    assert _load(path).batched
    path.with_name("weights.bin").write_bytes(np.int64(8000).tobytes())
    servable = _load(path)
    assert not servable.batched
    assert "other weights" in servable.certificate_fault


def test_a_model_may_lie_anywhere(tmp_path: Path) -> None:
    path = _certified(tmp_path)
    model = tmp_path / "elsewhere" / path.parents[1].name
    shutil.copytree(path.parents[1], model)
    assert _load(model / "1" / path.name).batched


def _verdicts(third_party: ThirdPartyModel, folder: Path) -> dict[int, int]:
    path = third_party.write(folder)
    return {each.dimension: each.verdict for each in certify_model(path, read_model(path), BUDGET).verdicts}


def _certified(folder: Path) -> Path:
    path = STEADY_WINDOW.write(folder)
    model = read_model(path)
    refuse_to_store(path)
    verdicts = [pb.DimensionVerdict(dimension=each, verdict=BITWISE, cases=9) for each in (BATCH, CHUNKING)]
    store(path, model, pb.Certificate(fingerprint=fingerprint_here(), verdicts=verdicts))
    assert read(path, read_model_file(path).sha256, model) is not None
    assert not [each for each in path.parent.iterdir() if each.name.startswith(".")]
    return path


def _load(path: Path, *, seconds: float = 0) -> Servable:
    policy = LoadPolicy(batch_uncertified=False, certify_seconds=seconds)
    return load_servable(path, policy, name=path.parents[1].name, version=1)


def _rewrite(path: Path, change: Callable[[StoredCertificate], object]) -> None:
    file = path.with_name(FILE)
    stored = json_format.Parse(file.read_text(), StoredCertificate())
    change(stored)
    file.write_text(json_format.MessageToJson(stored))


def _edit(file: Path, text: str, instead: str) -> None:
    assert text in file.read_text()
    file.write_text(file.read_text().replace(text, instead))
