"""The bench of a server's footprint, in short form."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.footprint import Plan, file_table, measure, table
from bench.server.resident import DATA
from tests.graphs import Sums


def test_every_figure_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    Sums(name="sums").write(tmp_path)
    plan = Plan(model="sums", starts=1, sessions=50, requests=100, transport="grpc")

    found = measure(tmp_path, plan)

    assert found.ready_seconds > 0
    assert found.resident_bytes > 10e6
    assert 0 <= found.idle_ratio < 1
    assert found.state_bytes == 8  # two numbers, held until the next request
    assert table(found, plan).row_count == 6
    if found.files:  # Linux tells
        assert found.files[DATA] > 1e6
        assert any("onnxruntime" in name for name in found.files)
        assert sum(found.files.values()) == pytest.approx(found.resident_bytes, rel=0.1)
    assert file_table(found.files).row_count > 0
    assert os.environ["PYTHONDONTWRITEBYTECODE"] == "1"
