from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.process_load import Turn
from bench.server_processes import gain, main
from tests.graphs import Sums


def _turn(rate: float, busiest_ms: float, *, failed: int = 0) -> Turn:
    return Turn(rate_per_second=rate, busiest_ms=busiest_ms, server_ms=2 * busiest_ms, client_ms=1.0, failed=failed)


def test_the_busiest_process_decides_what_several_would_gain() -> None:
    # The second round is on a machine that is half as fast: it falls on both.
    several = [_turn(150, 0.5), _turn(80, 1.0, failed=1), _turn(120, 0.625)]
    found = gain(2, several, [_turn(100, 1.0), _turn(50, 2.0), _turn(100, 1.0)])
    assert (found.rates, found.with_own_cores) == (1.5, 2.0)
    assert [found.least, found.largest, found.if_even] == pytest.approx([1.6, 2.0, 4.0])
    assert found.failed == 1


def test_the_command_compares_real_servers(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path)
    options = ["--repository", str(tmp_path), "--model", "sums", "--seconds", "0.3", "--rounds", "1", "--json"]
    done = CliRunner().invoke(main, options)
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert (found["processes"], found["failed"]) == (2, 0)
    assert found["with_own_cores"] > 0
    assert found["rates"] > 0
