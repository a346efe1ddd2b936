"""Models of somebody else's make: a graph, its config.pbtxt, and how a program without a server would run it.

They are written in ONNX's own text form, so that every axis can be read. Shapes: T frames, B rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from service.engine.onnx_runtime import ort

Array = npt.NDArray[Any]
_HEAD = '<ir_version: 10, opset_import: ["" : 20]>\n'


@dataclass(frozen=True, kw_only=True)
class ThirdPartyModel:
    """One model. `frames` draws a sequence [T, …] for our own API; `feed` makes of a chunk what the graph takes.

    `states` says which output comes back as which input, and what that is at first. `outputs` are those that callers
    get, with the position of their time axis in the graph; None: a run gives one frame. A graph without a time axis
    takes one frame a run. `client` makes what a client of other servers sends, where that isn't what the graph takes.
    """

    name: str
    graph: str
    config: str
    frames: Callable[[np.random.Generator, int], Array]
    feed: Callable[[Array], dict[str, Array]]
    outputs: Mapping[str, int | None]
    states: Mapping[str, tuple[str, Array]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    client: Callable[[Array], dict[str, Array]] | None = None
    client_outputs: Mapping[str, int | None] | None = None
    steps: bool = False

    def write(self, repository: Path) -> Path:
        """Write it into a repository; without a configuration where there is none."""
        path = repository / self.name / "1" / "model.onnx"
        path.parent.mkdir(parents=True)
        onnx.save(self.model(), path)
        if self.config:
            (path.parent.parent / "config.pbtxt").write_text(self.config)
        for name, content in self.files.items():
            file = path.parent.parent / "initial_state" / name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
        return path

    def model(self) -> onnx.ModelProto:
        """Parse the graph."""
        model = onnx.parser.parse_model(_HEAD + self.graph)
        onnx.checker.check_model(model)
        return model

    def alone(self, frames: Array, cuts: tuple[int, ...] = ()) -> dict[str, Array]:
        """Run it as a program without a server would: chunk by chunk, or frame by frame, and the states by hand."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(self.model().SerializeToString(), options, providers=["CPUExecutionProvider"])
        states = {name: initial for name, (_, initial) in self.states.items()}
        names = [*self.outputs, *(output for output, _ in self.states.values())]
        found: dict[str, list[Array]] = {name: [] for name in self.outputs}
        for chunk in np.split(frames, list(range(1, len(frames))) if self.steps else list(cuts)):
            results = dict(zip(names, session.run(names, self.feed(chunk) | states), strict=True))
            states = {name: results[output] for name, (output, _) in self.states.items()}
            for name, time in self.outputs.items():
                found[name].append(time_first(results[name], time, chunk))
        return {name: np.concatenate(parts) for name, parts in found.items()}


def time_first(result: Array, time: int | None, frames: Array) -> Array:
    """Return [T', elements] of what one sequence got, wherever its time axis is."""
    moved = result[None] if time is None else np.moveaxis(result, time, 0)
    assert len(frames)
    return moved.reshape(len(moved), math.prod(moved.shape[1:]))


def normal(*shape: int) -> Callable[[np.random.Generator, int], Array]:
    return lambda rng, count: rng.standard_normal((count, *shape)).astype(np.float32)


_STATE = 'state {{ input_name: "{0}" output_name: "{1}" data_type: {2} dims: [ {3} ] {4} }}\n'


def state(before: str, behind: str, dims: str, data_type: str = "TYPE_FP32", more: str = "") -> str:
    return _STATE.format(before, behind, data_type, dims, more)


def parameter(name: str, value: str) -> str:
    return f'parameters {{ key: "{name}" value {{ string_value: "{value}" }} }}\n'
