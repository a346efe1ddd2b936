"""The program of `soloist serve` before it serves: what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from service.app.main import main


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"processes": "0"}, "processes: input should be greater than or equal to 1 (--processes 0)"),
        ({"processes": "many"}, "processes: input should be a valid integer"),
        ({"processes": "2", "host": ("unix:/a",)}, "can't share unix:/a; listen on TCP, or set processes to 1"),
        ({"processes": "2", "skew_keep_sequences": "5"}, "set skew_keep_sequences to 0, or processes to 1"),
    ],
)
def test_what_several_processes_cannot_do_is_refused(
    settings: dict[str, object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main({"repository": Path("models"), **settings}) == 2
    refusal = capsys.readouterr().err
    assert refusal.startswith("soloist: processes: ")
    assert said in refusal


def test_the_supervisor_has_no_engine() -> None:
    code = "import sys, service.app.main, service.app.supervisor; print({'onnxruntime', 'grpc'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "set()\n"
