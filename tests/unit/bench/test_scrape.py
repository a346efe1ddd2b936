"""The bench of scrapes: real servers of copies of one model, pinged beside real scrapers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.scrape import measure
from bench.server.process import ServerError
from tests.integration.labelling import write_classifier


def test_pings_are_told_beside_each_number_of_scrapers(tmp_path: Path) -> None:
    write_classifier(tmp_path)
    found = list(measure(tmp_path / "sums", 2, (0, 2), 0.2))
    assert [(each.versions, each.scrapers) for each in found] == [(2, 0), (2, 2)]
    assert all(each.pings and each.p50_ms <= each.p99_ms for each in found)
    assert found[0].idle.page_bytes == found[1].idle.page_bytes > 10_000
    assert 0 < found[0].idle.series < found[0].used.series
    assert found[0].used.page_bytes > found[0].idle.page_bytes


def test_a_folder_without_versions_is_told(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="holds no version"):
        next(measure(tmp_path, 1, (0,), 0.1))
