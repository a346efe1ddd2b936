"""Owns the control of BatchNorm, written by hand: a graph that normalises with the statistics of the batch at hand.

Shapes: B rows, T frames, C features, K classes.
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
from tests.graphs import METADATA_KEY

_EPS = 1e-5


@dataclass(frozen=True, kw_only=True)
class BatchStatistics:
    """Outputs are running sums of the normalised frames, times a matrix of small random weights."""

    name: str
    features: int = 2
    classes: int = 2
    task: str = "vowels"
    architecture: str = "tcn"
    checkpoint: str = ""

    @property
    def manifest(self) -> model_pb2.Model:
        """What the artifact says of itself."""
        float32, int64 = tensor_pb2.DATA_TYPE_FLOAT32, tensor_pb2.DATA_TYPE_INT64
        return model_pb2.Model(
            name=self.name,
            version=1,
            task=self.task,
            architecture=self.architecture,
            norm="batch_current",
            causal=False,
            control=True,
            labels=[f"class {index}" for index in range(self.classes)],
            signature=model_pb2.Signature(
                frames=tensor_pb2.TensorSpec(name="frames", data_type=float32, shape=[-1, -1, self.features]),
                length=tensor_pb2.TensorSpec(name="length", data_type=int64, shape=[-1]),
                outputs=tensor_pb2.TensorSpec(name="outputs", data_type=float32, shape=[-1, -1, self.classes]),
            ),
            provenance=model_pb2.Provenance(checkpoint_sha256=self.checkpoint),
            precision="float32",
        )

    def write(self, repository: Path) -> Path:
        """Write the artifact into a repository."""
        model = helper.make_model(self._graph(), opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        helper.set_model_props(model, {METADATA_KEY: MessageToJson(self.manifest)})
        path = repository / self.name / "1" / "model.onnx"
        path.parent.mkdir(parents=True)
        onnx.save(model, path)
        return path

    def _graph(self) -> onnx.GraphProto:
        node, value = helper.make_node, helper.make_tensor_value_info
        nodes = [
            node("Shape", ["frames"], ["time_1"], start=1, end=2),
            node("Squeeze", ["time_1"], ["time"]),
            node("Range", ["zero", "time", "one"], ["steps_T"]),
            node("Unsqueeze", ["length", "last_axis"], ["length_B1"]),
            node("Less", ["steps_T", "length_B1"], ["valid_BT"]),
            node("Cast", ["valid_BT"], ["mask_BT"], to=TensorProto.FLOAT),
            node("Unsqueeze", ["mask_BT", "last_axis"], ["mask_BT1"]),
            node("ReduceSum", ["mask_BT1"], ["count"], keepdims=0),
            node("Mul", ["frames", "mask_BT1"], ["valid_BTC"]),
            node("ReduceSum", ["valid_BTC", "batch_and_time"], ["sum_C"], keepdims=0),
            node("Div", ["sum_C", "count"], ["mean_C"]),
            node("Sub", ["frames", "mean_C"], ["centred_BTC"]),
            node("Mul", ["centred_BTC", "mask_BT1"], ["deviation_BTC"]),
            node("ReduceSumSquare", ["deviation_BTC", "batch_and_time"], ["squares_C"], keepdims=0),
            node("Div", ["squares_C", "count"], ["variance_C"]),
            node("Add", ["variance_C", "eps"], ["steadied_C"]),
            node("Sqrt", ["steadied_C"], ["scale_C"]),
            node("Div", ["deviation_BTC", "scale_C"], ["normal_BTC"]),
            node("CumSum", ["normal_BTC", "one"], ["sums_BTC"]),
            node("MatMul", ["sums_BTC", "weights_CK"], ["outputs"]),
        ]
        weights_CK = np.random.default_rng(0).normal(size=(self.features, self.classes)).astype(np.float32)
        constants: dict[str, npt.NDArray[Any]] = {
            "zero": np.array(0, np.int64),
            "one": np.array(1, np.int64),
            "last_axis": np.array([-1], np.int64),
            "batch_and_time": np.array([0, 1], np.int64),
            "eps": np.array(_EPS, np.float32),
            "weights_CK": weights_CK,
        }
        return helper.make_graph(
            nodes,
            "batch_statistics",
            [
                value("frames", TensorProto.FLOAT, ["batch", "time", self.features]),
                value("length", TensorProto.INT64, ["batch"]),
            ],
            [value("outputs", TensorProto.FLOAT, ["batch", "time", self.classes])],
            [numpy_helper.from_array(array, name) for name, array in constants.items()],
        )
