"""The log of a real server: JSON on request, one line a failed call, none for one that was answered."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from soloist import SoloistError
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceStub
from tests.graphs import Sums
from tests.integration.asking import CLOSE, asking, chunk, ones, opening
from tests.servers import running_server


def test_one_line_a_failed_call(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    with running_server(tmp_path / "repository", tmp_path, log_format="json") as server:
        with asking(server.grpc) as asker:
            asker.predict(ones(3))
            asker.converse(opening(), chunk(0, ones(3)), CLOSE)
            for messages in ((opening("nobody"),), (opening(), chunk(4, ones(3)))):
                with pytest.raises(SoloistError):
                    asker.converse(*messages)
            with pytest.raises(SoloistError):
                asker.predict(ones(3, 7))
        server.ask_to_stop()
        assert server.exit_code() == 0
        calls = [line for line in server.log() if line["logger"] == "soloist.calls"]
    assert [_said(line) for line in calls] == [
        ("Stream", "NOT_FOUND", "MODEL_NOT_FOUND", "nobody"),
        ("Stream", "FAILED_PRECONDITION", "CHUNK_GAP", "sums"),
        ("Predict", "INVALID_ARGUMENT", "FEATURE_COUNT_MISMATCH", "sums"),
    ]
    assert len(calls[1]["session_id"]) == 32
    assert (calls[1]["first_frame"], calls[1]["expected_first_frame"]) == (4, 0)


def test_what_callers_choose_moves_no_cursor(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    evil = "\x1b[2J\x9b31m\r\n2026-01-01 [error] forged \u202egnp.exe\x7f"
    with running_server(tmp_path / "repository", tmp_path, log_format="console") as server:
        with asking(server.grpc) as asker, pytest.raises(SoloistError):
            asker.predict(ones(3), model=evil)
        server.ask_to_stop()
        assert server.exit_code() == 0
        text = server.stderr.read_text()
    (line,) = [line for line in text.splitlines() if "MODEL_NOT_FOUND" in line]
    assert all(char.isprintable() for char in line)
    assert r"\x1b[2J" in line
    assert r"\u202e" in line


def test_refusals_of_one_kind_are_written_up_to_a_number_and_the_rest_is_counted(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    with running_server(tmp_path / "repository", tmp_path, log_format="json") as server:
        with asking(server.grpc) as asker:
            for number in range(50):
                with pytest.raises(SoloistError):
                    asker.predict(ones(3), model=f"nobody-{number}")
            with pytest.raises(SoloistError):
                asker.predict(ones(3, 7))
            left_out = server.total("soloist_log_lines_left_out_total", why="repeated")
        server.ask_to_stop()
        assert server.exit_code() == 0
        lines = server.log()
    written = [line for line in lines if line.get("reason") == "MODEL_NOT_FOUND" and line["event"] == "call refused"]
    reported = [line for line in lines if line["event"] == "lines left out"]
    assert len(written) < 50
    assert len(written) + left_out == 50
    assert sum(line["lines"] for line in reported) == left_out
    assert [line["reason"] for line in lines if line["event"] == "call refused"][-1] == "FEATURE_COUNT_MISMATCH"


def _said(line: dict[str, Any]) -> tuple[str, str, str, str]:
    return line["api"], line["code"], line["reason"], line["model"]


async def test_a_caller_that_left_before_its_refusal_leaves_no_traceback(tmp_path: Path) -> None:
    """Nothing is wrong then, also for those who log everything."""
    Sums(name="sums").write(tmp_path / "repository")
    with running_server(tmp_path / "repository", tmp_path, log_level="debug") as server:
        async with grpc.aio.insecure_channel(server.grpc) as channel:
            stub = SequenceInferenceStub(channel)
            for number in range(600):  # with so many deadlines some leave at that very moment
                with suppress(grpc.RpcError, asyncio.CancelledError):
                    await stub.Predict(pb.PredictRequest(model="nobody"), timeout=0.0005 + 2e-5 * (number % 200))
        assert "Traceback" not in server.stderr.read_text()
