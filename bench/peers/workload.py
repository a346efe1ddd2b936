"""What every peer is asked, and what it has to answer to the bit: real sequences, and the model's answers in a loop."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.load_generator.workload import Array
from models.data import load

_STREAMS, _STREAM_FRAMES = 8, 500


@dataclass(frozen=True, kw_only=True)
class Workload:
    """`whole` are sequences [time, feature], `streams` longer ones that are sent frame by frame.

    `last` and `steps` are the bytes of what the model answers to each sequence, and to each frame of all streams.
    """

    whole: list[Array]
    streams: list[Array]
    last: list[bytes]
    steps: list[bytes]
    classes: int


class BareLoop:
    """The process that runs the model in a loop."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def rate(self, kind: str, seconds: float) -> float:
        """Return how many `whole` sequences or `steps` are computed in a second."""
        return float(self._told(f"{kind} {seconds}"))

    def answers(self, file: Path) -> tuple[Array, Array]:
        """Return the last outputs of all sequences, and the outputs of all steps."""
        self._told(f"answers {file}")
        with np.load(file) as saved:
            return saved["whole"], saved["steps"]

    def _told(self, line: str) -> str:
        assert self._process.stdin is not None  # noqa: S101  # it was opened with pipes
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        if not (reply := self._process.stdout.readline()):
            raise OSError("the model in a loop has ended")
        return reply


def sequences() -> tuple[list[Array], list[Array]]:
    """Return the held-out sequences of the vowels, and some long ones made of them."""
    whole = [np.ascontiguousarray(frames) for frames in load("vowels").test.sequences]
    frames = np.concatenate(whole)
    return whole, [np.roll(frames, -index * _STREAM_FRAMES, axis=0)[:_STREAM_FRAMES] for index in range(_STREAMS)]


def save(file: Path, whole: list[Array], streams: list[Array]) -> None:
    """Write what the bare loop reads."""
    named = {f"whole{index:04d}": frames for index, frames in enumerate(whole)}
    named |= {f"stream{index:04d}": frames for index, frames in enumerate(streams)}
    np.savez(file, **named)  # type: ignore[arg-type]  # names are no other arguments
