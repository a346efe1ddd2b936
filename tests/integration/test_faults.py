"""A short run of `python -m bench.faults`: nothing is lost, changed or doubled, whatever happens to the replicas."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from click.testing import CliRunner

from bench.faults.__main__ import main
from bench.faults.run import FAULTS


def test_every_sequence_survives_every_fault(repository: Path, tmp_path: Path) -> None:
    # Sequences by id need a Redis. CI has one.
    by_id = () if shutil.which("redis-server") or os.environ.get("CI") else ("--sequences", "0")
    found = CliRunner().invoke(main, ["--repository", str(repository), "--out", str(tmp_path), "--short", *by_id])
    assert found.exit_code == 0, found.output
    rows = json.loads((tmp_path / "faults.json").read_text())["rows"]
    assert list(rows) == list(FAULTS)
    assert sum(row["resumed"] for row in rows.values())
