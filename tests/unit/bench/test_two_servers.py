"""Two servers are asked by turns, as often as each other."""

from __future__ import annotations

import asyncio

from click.testing import CliRunner

from bench.two_servers import main
from tests.unit.bench.conftest import FakeServer


async def test_prints_both_medians_and_their_ratio(fake: FakeServer) -> None:
    arguments = ["--servers", fake.target, fake.target, "--model", "m", "--rounds", "3", "--calls", "4"]
    result = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    assert result.exit_code == 0
    one, other, ratio = result.output.splitlines()
    assert one.startswith(fake.target)
    assert other.startswith(fake.target)
    assert ratio.startswith("ratio  ")
    assert ratio.endswith("of 3 rounds")
    assert len(fake.predicted) == (3 + 1) * 2 * 4  # the first of both are thrown away


def test_a_server_that_is_not_there_is_a_message() -> None:
    result = CliRunner().invoke(main, ["--servers", "127.0.0.1:1", "127.0.0.1:1", "--model", "m"])
    assert result.exit_code == 1
    assert "Error" in result.output
