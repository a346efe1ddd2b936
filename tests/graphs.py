"""Owns small artifacts written by hand: answers that can be worked out, states and shapes as a test needs them.

Shapes: B rows, T frames, C features; a running sum has one output a feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.json_format import MessageToJson
from onnx import TensorProto, helper, numpy_helper

from soloist.v1 import model_pb2, tensor_pb2

METADATA_KEY = "soloist.v1.Model"
_OPSET, _IR = 21, 10


@dataclass(frozen=True, kw_only=True)
class Sums:
    """A model whose output at a frame is the sum of the frames so far, by feature.

    `token_count` > 0 makes frames tokens, and counts the even and the odd ones. `ballast` is the number of floats of a
    second state that nothing reads. `gain` is a factor on the outputs, not on the state. `classes` > 0 gives so many
    outputs, those of the first features, and over again where they are more.
    """

    name: str
    features: int = 2
    token_count: int = 0
    causal: bool = True
    max_frames: int = 0
    ballast: int = 0
    gain: float = 1.0
    classes: int = 0

    @property
    def manifest(self) -> model_pb2.Model:
        """What the artifact says of itself."""
        tokens = bool(self.token_count)
        float32, int64 = tensor_pb2.DATA_TYPE_FLOAT32, tensor_pb2.DATA_TYPE_INT64
        shape = [-1, -1] if tokens else [-1, -1, self.features]
        widths = {"sum": self.features} | ({"ballast": self.ballast} if self.ballast else {})
        signature = model_pb2.Signature(
            frames=tensor_pb2.TensorSpec(name="frames", data_type=int64 if tokens else float32, shape=shape),
            length=tensor_pb2.TensorSpec(name="length", data_type=int64, shape=[-1]),
            outputs=tensor_pb2.TensorSpec(
                name="outputs", data_type=float32, shape=[-1, -1, self.classes or self.features]
            ),
            states=[
                model_pb2.StateSpec(
                    name=name, input=f"state.{name}", output=f"next.{name}", data_type=float32, shape=[width]
                )
                for name, width in widths.items()
            ],
            text_encoding="utf8" if tokens else "",
            token_count=self.token_count,
        )
        return model_pb2.Model(
            name=self.name, version=1, norm="none", causal=self.causal, max_frames=self.max_frames, signature=signature
        )

    def write(self, repository: Path, *, version: int = 1, manifest: model_pb2.Model | None = None) -> Path:
        """Write the artifact into a repository; `manifest` instead of the true one."""
        model = helper.make_model(
            self._graph(), opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR, producer_name="tests"
        )
        helper.set_model_props(model, {METADATA_KEY: MessageToJson(manifest or self.manifest)})
        path = repository / self.name / str(version) / "model.onnx"
        path.parent.mkdir(parents=True)
        onnx.save(model, path)
        return path

    def _graph(self) -> onnx.GraphProto:
        node, value, float32 = helper.make_node, helper.make_tensor_value_info, TensorProto.FLOAT
        width = self.features
        tokens = bool(self.token_count)
        one_hot = [
            node("Mod", ["frames", "two"], ["parity"]),
            node("OneHot", ["parity", "two", "off_on"], ["x"], axis=-1),
        ]
        nodes = [
            *(one_hot if tokens else [node("Identity", ["frames"], ["x"])]),
            node("Unsqueeze", ["state.sum", "one"], ["before"]),
            node("CumSum", ["x", "axis"], ["sums"]),
            node("Add", ["sums", "before"], ["total"]),
            node("Mul", ["total", "gain"], ["louder"]),
            node("Gather", ["louder", "classes"], ["outputs"], axis=2),
            node("Sub", ["length", "one"], ["last"]),
            node("Unsqueeze", ["last", "one"], ["last_B1"]),
            node("GatherND", ["total", "last_B1"], ["next.sum"], batch_dims=1),
            *([node("Identity", ["state.ballast"], ["next.ballast"])] if self.ballast else []),
        ]
        constants: dict[str, npt.NDArray[Any]] = {
            "one": np.array([1], np.int64),
            "axis": np.array(1, np.int64),
            "gain": np.array(self.gain, np.float32),
            "classes": np.arange(self.classes or self.features) % self.features,
            "two": np.array([2], np.int64),
            "off_on": np.array([0, 1], np.float32),
        }
        states = [("sum", width)] + ([("ballast", self.ballast)] if self.ballast else [])
        frames = (
            value("frames", TensorProto.INT64, ["batch", "time"])
            if tokens
            else value("frames", float32, ["batch", "time", width])
        )
        return helper.make_graph(
            nodes,
            "sums",
            [
                frames,
                value("length", TensorProto.INT64, ["batch"]),
                *(value(f"state.{name}", float32, ["batch", size]) for name, size in states),
            ],
            [
                value("outputs", float32, ["batch", "time", self.classes or width]),
                *(value(f"next.{name}", float32, ["batch", size]) for name, size in states),
            ],
            [numpy_helper.from_array(array, name) for name, array in constants.items()],
        )
