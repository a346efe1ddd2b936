"""Owns running an exported graph: ONNX Runtime as a server runs it, one thread and all optimisations."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

Array = npt.NDArray[Any]
States = dict[str, Array]


class Runtime:
    """A session over one exported file, given as bytes."""

    def __init__(self, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # threads inside an operator split sums
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        inputs = self._session.get_inputs()
        self._states = {i.name.removeprefix("state."): i for i in inputs if i.name.startswith("state.")}
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def initial_state(self, batch: int) -> States:
        """Zeros of every state, batch first."""
        return {
            name: np.zeros((batch, *state.shape[1:]), np.int64 if "int64" in state.type else np.float32)
            for name, state in self._states.items()
        }

    def run(self, frames: Array, length: npt.NDArray[np.int64], states: States) -> tuple[Array, States]:
        """Return the outputs [batch, time, class] and the next states.

        `frames` is [batch, time, feature] float32 or [batch, time] int64; `length` is [batch], each at least 1.
        """
        feeds = {"frames": frames, "length": length, **{f"state.{name}": state for name, state in states.items()}}
        names = ["outputs", *(f"next.{name}" for name in self._states)]
        outputs, *following = self._session.run(names, feeds)
        return outputs, dict(zip(self._states, following, strict=True))
