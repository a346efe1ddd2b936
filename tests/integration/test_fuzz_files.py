"""A short run of `python -m bench.fuzz --files`: no broken version harms a server or the models that it serves."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from bench.fuzz.__main__ import main
from bench.fuzz.file_run import FilePlan, run_files
from tests.graphs import Sums
from tests.servers import USUAL_TRANSPORT
from tests.third_party import BEGUN, LOOPED, WINDOW

_INPUTS = 80


def test_no_file_does_harm(tmp_path: Path) -> None:
    for model in (Sums(name="sums"), Sums(name="tokens", token_count=256), BEGUN, LOOPED, WINDOW):
        model.write(tmp_path / "repository")
    (tmp_path / "repository" / "sums" / "labels.json").write_text('{"labels": {"stable": 1}}')
    plan = FilePlan(
        repository=tmp_path / "repository",
        inputs=_INPUTS,
        seed=3,
        concurrency=4,
        out=tmp_path / "out",
        transport=USUAL_TRANSPORT,
    )
    result = run_files(plan, lambda _tried, _harmful: None)
    assert result.harm == []
    assert result.outcomes.total() == _INPUTS
    assert {outcome.rpartition(": ")[2] for outcome in result.outcomes} >= {"loaded", "MODEL_UNAVAILABLE"}


def test_a_repository_without_files_is_refused(tmp_path: Path) -> None:
    found = CliRunner().invoke(main, ["--files", "--repository", str(tmp_path), "--out", str(tmp_path / "out")])
    assert found.exit_code == 1
    assert "it has no <model>/<version>/model.onnx" in found.output
