"""The audit of pinned versions never takes silence for safety."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from deploy.audit import judged, main

SAFE = {"name": "numpy", "version": "2.4.6", "vulns": []}
UNSAFE = {"name": "idna", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.7"]}]}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "code", "last"),
    [
        ([SAFE], 0, "1 of 1 pinned versions looked up, 0 vulnerabilities"),
        ([SAFE, UNSAFE], 1, "2 of 2 pinned versions looked up, 1 vulnerabilities"),
        ([UNSAFE, UNKNOWN], 1, "1 of 2 pinned versions looked up, 1 vulnerabilities"),
        ([SAFE, UNKNOWN], 2, "1 of 2 pinned versions looked up, 0 vulnerabilities"),
        ([UNKNOWN], 2, "nothing was looked up: the database knows none of the packages, or can't be reached"),
    ],
)
def test_what_a_report_means(packages: list[dict[str, object]], code: int, last: str) -> None:
    exit_code, text = judged({"dependencies": packages})
    assert (exit_code, text.splitlines()[-1]) == (code, last)


def test_a_vulnerability_is_named_with_what_fixes_it() -> None:
    assert "idna 1.0: PYSEC-1, fixed in 3.7" in judged({"dependencies": [UNSAFE]})[1]
    assert "not looked up: torch" in judged({"dependencies": [UNSAFE, UNKNOWN]})[1]


def test_a_database_out_of_reach_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, body in {
        "fails": "import sys; sys.exit('ConnectionError: no route to host')",
        "works": f"print({json.dumps(json.dumps({'dependencies': [SAFE]}))})",
    }.items():
        (tmp_path / name).write_text(f"#!{sys.executable}\n{body}\n")
        (tmp_path / name).chmod(0o755)
    assert main([str(tmp_path / "fails"), "pypi"]) == 2
    assert "can't be reached: ConnectionError: no route to host" in capsys.readouterr().out
    assert main([str(tmp_path / "works"), "pypi"]) == 0
