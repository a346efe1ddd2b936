"""The bench of a server's footprint, in short form."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.footprint import Plan, measure, table
from tests.graphs import Sums


def test_every_figure_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    Sums(name="sums").write(tmp_path)
    plan = Plan(model="sums", starts=1, sessions=50, requests=100, transport="grpc")

    found = measure(tmp_path, plan)

    assert found.ready_seconds > 0
    assert found.resident_bytes > 10e6
    assert found.state_bytes == 8  # two numbers, held until the next request
    assert table(found, plan).row_count == 5
    assert os.environ["PYTHONDONTWRITEBYTECODE"] == "1"
