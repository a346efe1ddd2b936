from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.monitoring_cost import Cost, main, ratios, variants
from bench.server.process import ServerError, serving
from tests.graphs import Sums


def _cost(cpu_ms: float, p50_ms: float = 1.0, p99_ms: float = 2.0, *, failed: int = 0) -> Cost:
    return Cost(cpu_ms=cpu_ms, p50_ms=p50_ms, p99_ms=p99_ms, answered=10, failed=failed)


def test_ratios_are_of_loads_of_one_round() -> None:
    # The machine is twice as slow in the second round: that is not the variant's cost.
    found = ratios(
        "log", [_cost(1.1), _cost(2.4, 3.0, failed=2), _cost(1.3)], [_cost(1.0), _cost(2.0, 2.0), _cost(1.0)]
    )
    assert found.cpu_ratio == pytest.approx(1.2)
    assert [found.least_cpu_ratio, found.largest_cpu_ratio] == pytest.approx([1.1, 1.3])
    assert (found.cpu_ms, found.p50_ratio, found.p99_ratio, found.failed) == (1.3, 1.0, 1.0, 2)


def test_the_first_variant_watches_nothing_nor_does_its_control(tmp_path: Path) -> None:
    first, control, *others = variants(tmp_path)
    assert "prediction_log" not in first.settings
    assert control.settings == first.settings
    assert any("prediction_log" in each.settings for each in others)
    assert [each.settings["skew_probe_ratio"] for each in (first, *others)] == ["0", "0", "0.01", "1"]


def test_the_command_compares_real_servers(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path)
    options = ["--repository", str(tmp_path), "--model", "sums", "--rate", "20", "--seconds", "1", "--rounds", "1"]
    done = CliRunner().invoke(main, [*options, "--json"])
    assert done.exit_code == 0, done.output
    first, *others = map(json.loads, done.stdout.splitlines())
    assert first["cpu_ratio"] == 1
    assert others
    assert all(each["cpu_ms"] > 0 for each in others)


def test_a_server_that_does_not_start_is_told(tmp_path: Path) -> None:
    with pytest.raises(ServerError), serving(tmp_path / "nowhere", {}):
        pass
