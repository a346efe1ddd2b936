"""The model as every peer runs it: one thread, one sequence from the zero state, or one frame from the last one's.

Shapes: B sequences, T frames, C features, K classes.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it is read on import

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

Array = npt.NDArray[Any]
_STATE, _NEXT = "state.", "next."
_DTYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64}


class Model:
    """The graph of a file that Soloist has exported, and of the one for single frames next to it."""

    def __init__(self, file: Path) -> None:
        self._whole = _session(file)
        one_step = file.with_name("one_step.onnx")
        self._step = _session(one_step) if one_step.exists() else self._whole
        states = [each for each in self._whole.get_inputs() if each.name.startswith(_STATE)]
        self._zeros = {each.name: np.zeros((1, *each.shape[1:]), _DTYPES[each.type]) for each in states}
        self._names = ["outputs", *(_NEXT + name.removeprefix(_STATE) for name in self._zeros)]
        self._lengths = [np.array([length]) for length in range(1024)]

    def whole(self, frames_TC: Array) -> Array:
        """Return the outputs of every frame [T, K] of one sequence."""
        feed = {"frames": frames_TC[None], "length": self._lengths[len(frames_TC)], **self._zeros}
        outputs_TK: Array = self._whole.run(["outputs"], feed)[0][0]
        return outputs_TK

    def merged(self, sequences: Sequence[Array], *, with_lengths: bool) -> list[Array]:
        """Return the last output [K] of each, from one run over all, padded with zeros to the longest.

        Without lengths padding is taken for frames.
        """
        longest = max(map(len, sequences))
        frames_BTC = np.zeros((len(sequences), longest, sequences[0].shape[1]), np.float32)
        for row_TC, sequence in zip(frames_BTC, sequences, strict=True):
            row_TC[: len(sequence)] = sequence
        zeros = {name: np.repeat(zero, len(sequences), axis=0) for name, zero in self._zeros.items()}
        lengths = np.array([len(sequence) if with_lengths else longest for sequence in sequences])
        outputs_BTK = self._whole.run(["outputs"], {"frames": frames_BTC, "length": lengths, **zeros})[0]
        return [outputs_TK[length - 1] for outputs_TK, length in zip(outputs_BTK, lengths, strict=True)]

    def stream(self) -> Stream:
        """Begin a sequence."""
        return Stream(self._step, self._names, self._zeros, self._lengths[1])


class Stream:
    """One sequence, frame by frame."""

    def __init__(self, session: ort.InferenceSession, names: list[str], zeros: dict[str, Array], one: Array) -> None:
        self._session, self._names = session, names
        self._states = list(zeros)
        self._feed = {"length": one, **zeros}

    def step(self, frame_TC: Array) -> Array:
        """Return the outputs [K] of the next frame, given as [1, C]."""
        feed = self._feed
        feed["frames"] = frame_TC[None]
        outputs_BTK, *states = self._session.run(self._names, feed)
        feed.update(zip(self._states, states, strict=True))
        outputs_K: Array = outputs_BTK[0, 0]
        return outputs_K


def arguments() -> argparse.Namespace:
    """Read the options that every server takes: `--model FILE`, `--port N` and `--http-port N`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True, help="REPOSITORY/NAME/VERSION/model.onnx")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--http-port", type=int, default=0)
    parser.add_argument("--merge", choices=("ignoring-padding", "with-lengths"), help="what comes within 2 ms")
    parser.add_argument("--workload", type=Path, help="the bare loop's: what to run")
    return parser.parse_args()


def name_of(file: Path) -> str:
    """Return the name of the model that a file is a version of."""
    return file.parents[1].name


def _session(file: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
