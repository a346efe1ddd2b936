"""The whole generator against a small server: `python -m bench`, and `measure` as the demonstration calls it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from bench.fuzz.__main__ import main as fuzz
from bench.load_generator.load import Arrivals, Load, Mode, Transport
from bench.load_generator.run import measure
from bench.promise import main as promise
from bench.state_machine.__main__ import main as state_machine
from soloist.cli.bench import bench
from tests.unit.bench.conftest import FakeServer


def load(fake: FakeServer, **changes: object) -> Load:
    fields = {"rate_per_second": 200.0, "seconds": 0.2, "arrivals": Arrivals.UNIFORM, **changes}
    return Load(server=fake.target, model="m", **fields)  # type: ignore[arg-type]  # a test's own fields


async def test_whole_sequences_are_sent_and_counted(fake: FakeServer) -> None:
    sequence = np.zeros((7, 3), np.float32)
    summary = await measure(load(fake), [sequence])
    assert fake.predicted == [7] * 40
    assert (summary.scheduled, summary.answered, summary.errors) == (40, 40, {})
    assert summary.sequence.count == 40
    assert summary.chunk is None


async def test_streams_send_every_chunk_and_close(fake: FakeServer) -> None:
    sequence = np.zeros((7, 3), np.float32)
    summary = await measure(load(fake, mode=Mode.STREAM, chunk_frames=3), [sequence])
    assert fake.streamed == [[3, 3, 1]] * 40
    assert summary.chunk is not None
    assert (summary.sequence.count, summary.chunk.count) == (40, 120)


async def test_chunks_of_a_paced_stream_wait_for_their_time(fake: FakeServer) -> None:
    sequence = np.zeros((4, 3), np.float32)
    paced = load(fake, mode=Mode.STREAM, chunk_frames=2, chunk_interval_seconds=0.05, rate_per_second=10.0)
    summary = await measure(paced, [sequence])
    assert summary.sequence.curve[0][1] >= 50.0  # the second of two chunks is not sent before


async def test_refusals_are_counted_by_reason_and_not_tried_again(fake: FakeServer) -> None:
    fake.refused = {0, 3}
    summary = await measure(load(fake))
    assert summary.errors == {"RESOURCE_EXHAUSTED": 2}
    assert fake.calls == summary.scheduled


@pytest.mark.parametrize("client", Transport)
@pytest.mark.parametrize("mode", [Mode.UNARY, Mode.STREAM])
async def test_calls_that_never_end_are_given_up(fake: FakeServer, mode: Mode, client: Transport) -> None:
    fake.stalls = True
    summary = await measure(load(fake, mode=mode, client=client, timeout_seconds=0.2, rate_per_second=20.0))
    assert summary.errors == {"DEADLINE_EXCEEDED": summary.scheduled}


@pytest.mark.parametrize("mode", Mode)
async def test_the_command_prints_json(fake: FakeServer, mode: Mode, tmp_path: Path) -> None:
    np.savez(tmp_path / "frames.npz", a=np.zeros((5, 3), np.float32))
    options = ["--rate", "100", "--seconds", "0.1", "--mode", mode, "--frames-file", str(tmp_path / "frames.npz")]
    exit_code, said = await _bench(fake, *options, "--json")
    printed = json.loads(said)
    assert exit_code == 0
    assert printed["answered"] == printed["scheduled"] == printed["sequence"]["count"]
    assert printed["load"]["mode"] == mode
    assert isinstance(printed["generator_fell_behind"], bool)


async def test_the_command_prints_a_table_of_made_up_frames(fake: FakeServer) -> None:
    exit_code, said = await _bench(fake, "--rate", "100", "--seconds", "0.1")
    assert exit_code == 0
    assert "p99.9" in said
    assert "generator" in said


async def test_failed_requests_make_the_command_fail(fake: FakeServer) -> None:
    fake.refused = {0}
    exit_code, said = await _bench(fake, "--rate", "100", "--seconds", "0.1")
    assert exit_code == 1
    assert "failed, RESOURCE_EXHAUSTED: 1" in said


async def test_two_processes_share_a_closed_loop(fake: FakeServer) -> None:
    exit_code, said = await _bench(fake, "--callers", "3", "--processes", "2", "--seconds", "0.2", "--json")
    printed = json.loads(said)
    assert exit_code == 0
    assert printed["answered"] == printed["scheduled"] == fake.calls
    assert printed["generator_cpu_ratio"] > 0


async def test_the_rate_plays_no_part_in_a_closed_loop(fake: FakeServer) -> None:
    exit_code, said = await _bench(fake, "--callers", "2", "--rate", "1e9", "--seconds", "0.1", "--json")
    assert exit_code == 0, said
    assert json.loads(said)["answered"] == fake.calls


async def test_two_processes_send_every_request_of_the_open_loop_once(fake: FakeServer) -> None:
    exit_code, said = await _bench(fake, "--rate", "100", "--seconds", "0.2", "--processes", "2", "--json")
    assert exit_code == 0
    assert json.loads(said)["answered"] == fake.calls == json.loads(said)["scheduled"]


async def test_processes_that_find_no_server_end(fake: FakeServer) -> None:
    exit_code, said = await _bench(fake, "--server", "127.0.0.1:1", "--processes", "2", "--timeout-seconds", "0.5")
    assert exit_code == 1
    assert said.startswith("Error: ")


async def test_a_ramp_prints_its_knee(fake: FakeServer) -> None:
    fake.refused = set(range(8, 100_000))  # a server that soon refuses everything
    exit_code, said = await _bench(
        fake, "--rate", "40", "--arrivals", "uniform", "--seconds", "0.1", "--ramp-p99-ms", "5000", "--json"
    )
    knee = json.loads(said)
    kept = [step["rate_per_second"] for step in knee["steps"] if step["kept"]]
    assert knee["steps"][0]["rate_per_second"] == 40.0
    assert len(kept) < len(knee["steps"])
    assert knee["knee_per_second"] == max(kept, default=None)
    assert exit_code == (not kept)


@pytest.mark.parametrize("server", ["192.0.2.1:8001", "models.example:8001"])
def test_another_machine_is_refused_unless_told(server: str) -> None:
    refused = CliRunner().invoke(bench, ["--server", server, "--model", "m", "--seconds", "0.1"])
    assert refused.exit_code == 2
    assert "--allow-remote" in refused.output


def test_httpunk_needs_a_port() -> None:
    refused = CliRunner().invoke(bench, ["--server", "unix:/tmp/s", "--model", "m", "--client", "httpunk"])
    assert refused.exit_code == 2


@pytest.mark.parametrize("missing", ["httpunk", "uvloop"])
def test_a_client_that_is_not_installed_names_its_extra(missing: str) -> None:
    program = f"import sys; sys.modules['{missing}'] = None; from soloist.cli.bench import bench; bench()"
    command = [sys.executable, "-c", program, "--model", "m", "--client", "httpunk"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"Error: {missing} is not installed: pip install 'soloist[bench]'\n"


def test_each_process_needs_a_caller() -> None:
    refused = CliRunner().invoke(bench, ["--model", "m", "--callers", "1", "--processes", "2"])
    assert refused.exit_code == 2


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_answers_that_differ_from_those_alone_make_the_command_fail(fake: FakeServer, processes: str) -> None:
    fake.leaks = True
    exit_code, said = await _bench(
        fake, "--rate", "100", "--arrivals", "uniform", "--seconds", "0.1", "--check", "--processes", processes
    )
    assert exit_code == 1
    assert "compared to the bit: 10 of 10 answers differ" in said


async def test_sequences_that_no_memory_holds_are_not_made_up(fake: FakeServer) -> None:
    exit_code, said = await _bench(fake, "--lengths", "1:2147483647", "--seconds", "0.1")
    assert exit_code == 1
    assert "aren't made up: shorten --lengths" in said
    assert fake.calls == 0


async def test_streams_of_too_many_chunks_are_not_made(fake: FakeServer, tmp_path: Path) -> None:
    np.save(tmp_path / "long.npy", np.zeros((10_000_001, 1), np.float32))
    options = ["--mode", "stream", "--chunk-frames", "1", "--input", str(tmp_path / "long.npy")]
    exit_code, said = await _bench(fake, *options, "--seconds", "0.1")
    assert exit_code == 1
    assert "10000001 chunks of 1 frames" in said
    assert fake.calls == 0


@pytest.mark.parametrize("seed", ["-1", str(2**63)])
@pytest.mark.parametrize("command", [promise, state_machine, fuzz])
def test_a_seed_that_is_none_is_wrong_usage(command: click.Command, seed: str) -> None:
    result = CliRunner().invoke(command, ["--seed", seed])
    assert result.exit_code == 2
    assert "Invalid value for '--seed'" in result.output


async def test_wrong_usage_is_told(fake: FakeServer) -> None:
    exit_code, said = await _bench(fake, "--rate", "-1")
    assert exit_code == 2
    assert "--rate" in said


async def _bench(fake: FakeServer, *options: str) -> tuple[int | None, str]:
    command = [sys.executable, "-m", "bench", "--server", fake.target, "--model", "m", *options]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()
