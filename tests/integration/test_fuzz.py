"""A short run of `python -m bench.fuzz`: no input harms a server with models of our own and of others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.fuzz.__main__ import main
from bench.fuzz.methods import all_methods
from bench.fuzz.run import Plan, run
from bench.fuzz.script import KINDS, one_message, write
from bench.server.redis import NoRedisError
from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.integration.asking import ones
from tests.integration.test_brought_states import write_placed
from tests.integration.test_entries import WIDE
from tests.redis_process import missing
from tests.third_party import THIRD_PARTY_MODELS, UNTOLD
from tests.third_party.untimed import CACHE, MIXED

_INPUTS = 4000
# Those that get an answer, so that what lies behind the first checks is reached too.
_ANSWERED = ("Predict", "Stream", "Compare", "GetModel", "Report", "ReportStream", "ModelInfer", "ModelStreamInfer")


@pytest.fixture(scope="module")
def house(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz") / "repository"
    shutil.copytree(repository, folder)
    for model in (*THIRD_PARTY_MODELS, CACHE, MIXED, WIDE):
        if model is not UNTOLD:
            model.write(folder)
    write_placed(folder)
    # The last by name may be unloaded.
    for own in (Sums(name="letters", token_count=256), Sums(name="short", max_frames=8), Sums(name="z-spare")):
        own.write(folder)
    return folder


def test_no_input_does_harm(house: Path, tmp_path: Path, transport: str) -> None:
    plan = Plan(
        repository=house,
        messages=_INPUTS,
        seed=20,
        kinds=KINDS,
        processes=1,
        concurrency=16,
        out=tmp_path / "out",
        transport=transport,
    )
    result = run(plan, lambda _sent, _harmful: None)
    assert result.faults == []
    assert {sort: outcome for sort, (_, outcome) in result.findings.smallest.items()} == {}
    assert result.messages >= _INPUTS
    assert {path for path, _, _ in result.outcomes} == set(all_methods())
    answered = {path.rpartition("/")[2] for path, code, _ in result.outcomes if code == "OK"}
    assert set(_ANSWERED) <= answered


def test_no_walk_does_harm_to_stored_sequences(tmp_path: Path, transport: str) -> None:
    for name in ("sums", "z-spare"):
        Sums(name=name).write(tmp_path / "repository")
    plan = Plan(
        repository=tmp_path / "repository",
        messages=600,
        seed=3,
        kinds=["walks"],
        processes=1,
        concurrency=16,
        out=tmp_path / "out",
        transport=transport,
        stored=True,
    )
    try:
        result = run(plan, lambda _sent, _harmful: None)
    except NoRedisError as error:
        missing(str(error))
    assert result.faults == []
    assert {sort: outcome for sort, (_, outcome) in result.findings.smallest.items()} == {}
    reasons = {reason for _, _, reason in result.outcomes}
    assert {"SEQUENCE_NOT_FOUND", "CHUNK_GAP", "PARAMETER_INVALID"} <= reasons


def test_a_kept_input_is_sent_again(house: Path, tmp_path: Path) -> None:
    request = pb.PredictRequest(model="letters", frames=ones(3))
    kept = one_message("fields", "/soloist.v1.SequenceInference/Predict", request.SerializeToString())
    write(tmp_path / "input.json", kept, {})
    flags = ["--repository", str(house), "--out", str(tmp_path / "out"), "--replay", str(tmp_path / "input.json")]
    found = CliRunner().invoke(main, flags)
    assert found.exit_code == 0, found.output
    assert "INVALID_ARGUMENT SHAPE_MISMATCH" in found.output.replace("\n", " ")


def test_a_run_is_recorded(tmp_path: Path) -> None:
    for name in ("sums", "z-spare"):
        Sums(name=name).write(tmp_path / "repository")
    flags = ["--repository", str(tmp_path / "repository"), "--out", str(tmp_path / "out"), "--inputs", "200"]
    found = CliRunner().invoke(main, [*flags, "--processes", "1", "--record", str(tmp_path / "record")])
    assert found.exit_code == 0, found.output
    assert "no input did harm" in (tmp_path / "record" / "fuzz-grpc.md").read_text()
    record = json.loads((tmp_path / "record" / "fuzz-grpc.json").read_text())
    assert sum(record["calls"].values()) > 0
    assert len(record["memory"]) >= 2
    assert record["is_clean"]
