from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from soloist.cli.main import main


def test_a_quick_run_says_that_it_is_quick(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["claims", "--quick", "--only", "1", "--out", str(tmp_path), "--processes", "1"])
    assert done.exit_code == 0, done.output
    assert "A quick run" in done.output
    found = json.loads((tmp_path / "claims.json").read_text())
    assert found["quick"]
    assert [claim["number"] for claim in found["claims"]] == [1]
    assert "A quick run" in (tmp_path / "report.html").read_text()
    assert "**A quick run**" in (tmp_path / "verdicts.md").read_text()


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    arguments = ["claims", "--quick", "--only", "1", "--out", str(tmp_path), "--processes", "1"]
    CliRunner().invoke(main, arguments)
    (kept,) = (tmp_path / "measured").iterdir()
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "scalar": 0.5}))
    CliRunner().invoke(main, [*arguments, "--language", "zh"])
    assert json.loads((tmp_path / "claims.json").read_text())["claims"][0]["verdict"] == "refuted"
    assert "否定" in (tmp_path / "report.zh.html").read_text()
    assert "| 否定 | 1 | 1 " in (tmp_path / "verdicts.zh.md").read_text()


def test_figures_of_a_run_are_judged_once_more(tmp_path: Path) -> None:
    arguments = ["claims", "--quick", "--only", "1,32", "--out", str(tmp_path), "--processes", "1"]
    CliRunner().invoke(main, arguments)
    run = json.loads((tmp_path / "claims.json").read_text())
    run["date"] = "2026-01-02"
    run["claims"][0]["runs"][0]["scalar"] = 0.5
    (tmp_path / "kept.json").write_text(json.dumps(run))
    done = CliRunner().invoke(
        main, ["claims", "--figures", str(tmp_path / "kept.json"), "--out", str(tmp_path / "again"), "--only", "1"]
    )
    assert done.exit_code == 0, done.output
    again = json.loads((tmp_path / "again" / "claims.json").read_text())
    assert [(claim["number"], claim["verdict"]) for claim in again["claims"]] == [(1, "refuted")]
    assert (again["date"], again["quick"], again["claims"][0]["runs"]) == ("2026-01-02", True, run["claims"][0]["runs"])


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"claims": [{"number": 1}]}', '{"claims": []}'])
def test_a_file_without_the_figures_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "claims.json").write_text(text)
    done = CliRunner().invoke(main, ["claims", "--figures", str(tmp_path / "claims.json"), "--only", "1"])
    assert done.exit_code == 1
    assert "is not the claims.json of a run with these claims" in done.output


@pytest.mark.parametrize(("only", "sentence"), [("99", "no claim 99"), ("a", "numbers with commas")])
def test_a_number_that_no_claim_has_is_an_error(tmp_path: Path, only: str, sentence: str) -> None:
    done = CliRunner().invoke(main, ["claims", "--only", only, "--out", str(tmp_path)])
    assert done.exit_code != 0
    assert sentence in done.output
