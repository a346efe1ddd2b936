"""What `soloist bench` sends to a real server: both services, whole sequences and streams, from files, in real time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from soloist.cli.bench import bench
from tests.graphs import Sums
from tests.servers import RunningServer, running_server

AHEAD = ("--mode", "stream", "--chunks-in-flight", "4")
NUMBERS, TEXTS = Sums(name="numbers"), Sums(name="texts", token_count=256)


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("bench")
    for model in (NUMBERS, TEXTS):
        model.write(folder / "repository", manifest=model.manifest)
    with running_server(folder / "repository", folder) as server:
        yield server


@pytest.mark.parametrize("client", ["grpc.aio", "httpunk"])
@pytest.mark.parametrize("api", ["soloist", "oip"])
def test_every_answer_of_a_mixed_load_is_that_which_was_got_alone(sums: RunningServer, api: str, client: str) -> None:
    mixed = ("--callers", "6", "--mode", "mixed", "--stream-share", "0.5", "--check")
    printed = _load(sums, *mixed, "--api", api, "--client", client)
    whole, streams = printed["whole"]["count"], printed["stream"]["count"]
    assert whole + streams == printed["answered"] == printed["scheduled"]
    assert min(whole, streams) > 0
    assert printed["compared"] == whole + printed["chunk"]["count"]
    assert printed["differing"] == 0


def test_the_share_of_streams_is_as_asked_for(sums: RunningServer) -> None:
    printed = _load(sums, "--rate", "400", "--mode", "mixed", "--stream-share", "0.1", "--lengths", "2:3")
    assert 0 < printed["stream"]["count"] < 0.25 * printed["answered"]


def test_made_up_sequences_have_the_lengths_asked_for(sums: RunningServer) -> None:
    printed = _load(sums, "--callers", "2", "--lengths", "7:7")
    assert printed["frames_per_second"] == pytest.approx(7 * printed["answers_per_second"])


@pytest.mark.parametrize("api", ["soloist", "oip"])
def test_frames_come_from_json_lines(sums: RunningServer, tmp_path: Path, api: str) -> None:
    lines = tmp_path / "numbers.jsonl"
    lines.write_text("[[1, 2], [3, 4]]\n\n[[0.5, 1], [2, 3]]\n")
    printed = _load(sums, "--callers", "2", "--input", str(lines), "--api", api, "--check")
    assert printed["frames_per_second"] == pytest.approx(2 * printed["answers_per_second"])
    assert (printed["errors"], printed["differing"]) == ({}, 0)


def test_texts_come_from_json_lines(sums: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text('"hello"\n[104, 101, 108, 108, 111]\n')
    printed = _load(sums, "--callers", "2", "--input", str(tmp_path / "texts.jsonl"), model="texts")
    assert printed["frames_per_second"] == pytest.approx(5 * printed["answers_per_second"])


def test_streams_in_real_time_share_connections_and_end_with_the_load(sums: RunningServer) -> None:
    pace = ("--chunk-frames", "1", "--chunk-interval-seconds", "0.05", "--lengths", "500:500")
    printed = _load(sums, "--callers", "120", "--mode", "stream", *pace)
    assert printed["answered"] == printed["scheduled"] == 120
    assert printed["elapsed_seconds"] < 20.0  # to their ends they would take 25
    assert 120 <= printed["chunk"]["count"] <= 120 * 11
    assert printed["deadline_misses"] is not None


@pytest.mark.parametrize("client", ["grpc.aio", "httpunk"])
@pytest.mark.parametrize("options", [(), ("--api", "oip"), ("--chunk-interval-seconds", "0.01")])
def test_streams_send_ahead_and_get_the_same_answers(
    sums: RunningServer, client: str, options: tuple[str, ...]
) -> None:
    ahead = ("--mode", "stream", "--chunk-frames", "1", "--chunks-in-flight", "8", "--lengths", "30:30")
    printed = _load(sums, "--callers", "3", *ahead, "--client", client, "--check", *options)
    assert printed["load"]["chunks_in_flight"] == 8
    assert printed["answered"] == printed["scheduled"] > 0
    assert (printed["compared"], printed["differing"]) == (printed["chunk"]["count"], 0)


@pytest.mark.parametrize("client", ["grpc.aio", "httpunk"])
@pytest.mark.parametrize(
    "options", [("--mode", "unary"), ("--mode", "stream"), ("--mode", "stream", "--api", "oip"), AHEAD]
)
def test_frames_of_another_width_fail_with_their_reason(
    sums: RunningServer, tmp_path: Path, client: str, options: tuple[str, ...]
) -> None:
    (tmp_path / "wide.jsonl").write_text("[[1, 2, 3]]\n")
    file = ("--input", str(tmp_path / "wide.jsonl"))
    printed = _load(sums, "--rate", "50", *file, "--client", client, *options, exit_code=1)
    code, reason = ("INVALID_ARGUMENT", "FEATURE_COUNT_MISMATCH")
    if "oip" in options:  # a stream of that protocol has texts for errors, without a code
        code, reason = ("UNKNOWN", "INPUT_SHAPE_MISMATCH")
    assert printed["failures"] == [{"code": code, "reason": reason, "count": printed["scheduled"]}]


@pytest.mark.parametrize("client", ["grpc.aio", "httpunk"])
def test_a_server_that_is_not_there_is_told(client: str) -> None:
    command = ["--server", "127.0.0.1:1", "--model", "m", "--client", client, "--timeout-seconds", "0.5"]
    done = CliRunner().invoke(bench, command)
    assert done.exit_code == 1
    assert "Error: " in done.output


@pytest.mark.parametrize(
    ("line", "said"), [("[[1, 2], [3]]", "sequence 1"), ("{}", "neither"), ("[]", "empty"), ("nonsense", "not JSON")]
)
def test_a_line_that_is_no_sequence_is_refused(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "bad.jsonl").write_text(f"{line}\n")
    refused = CliRunner().invoke(bench, ["--model", "m", "--input", str(tmp_path / "bad.jsonl")])
    assert refused.exit_code == 1
    assert said in refused.output


@pytest.mark.parametrize("lengths", ["7", "0:3", "9:7", "a:b", "-1:2"])
def test_lengths_that_are_no_range_are_wrong_usage(lengths: str) -> None:
    assert CliRunner().invoke(bench, ["--model", "m", "--lengths", lengths]).exit_code == 2


def _load(server: RunningServer, *options: str, model: str = "numbers", exit_code: int = 0) -> dict[str, Any]:
    command = ["--server", server.grpc, "--model", model, "--seconds", "0.5", "--json", *options]
    done = CliRunner().invoke(bench, command)
    assert done.exit_code == exit_code, done.output
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed
