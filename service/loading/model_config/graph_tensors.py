"""The tensors of a graph as ONNX Runtime tells them: what a configuration is completed from, and held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.loading.manifest import ManifestError
from service.loading.model_config.file import FILE
from soloist.oip import model_config_pb2 as oip

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnxruntime as ort

_TYPES: dict[str, oip.DataType.ValueType] = {
    "tensor(bool)": oip.TYPE_BOOL,
    "tensor(uint8)": oip.TYPE_UINT8,
    "tensor(uint16)": oip.TYPE_UINT16,
    "tensor(uint32)": oip.TYPE_UINT32,
    "tensor(uint64)": oip.TYPE_UINT64,
    "tensor(int8)": oip.TYPE_INT8,
    "tensor(int16)": oip.TYPE_INT16,
    "tensor(int32)": oip.TYPE_INT32,
    "tensor(int64)": oip.TYPE_INT64,
    "tensor(float16)": oip.TYPE_FP16,
    "tensor(float)": oip.TYPE_FP32,
    "tensor(double)": oip.TYPE_FP64,
}


@dataclass(frozen=True, kw_only=True)
class GraphTensor:
    """One of them. `sizes` are those of its axes, -1 varies; empty for a scalar, and where the graph doesn't say."""

    name: str
    type: str
    sizes: tuple[int, ...]

    @property
    def data_type(self) -> oip.DataType.ValueType:
        """The element type in a configuration's words.

        Raises:
            ManifestError: it is none that the server takes, like a string.

        """
        if self.type not in _TYPES:
            raise ManifestError(f"{self.name!r} is {self.type} in the graph, which is not supported")
        return _TYPES[self.type]

    @property
    def is_supported(self) -> bool:
        """Tell whether its elements are numbers."""
        return self.type in _TYPES


@dataclass(frozen=True, kw_only=True)
class GraphTensors:
    """All of one graph by name; `defaults` are inputs that may be left out."""

    inputs: dict[str, GraphTensor]
    defaults: dict[str, GraphTensor]
    outputs: dict[str, GraphTensor]

    @classmethod
    def of(cls, session: ort.InferenceSession) -> GraphTensors:
        """Ask a session."""
        return cls(
            inputs=_by_name(session.get_inputs()),
            defaults=_by_name(session.get_overridable_initializers()),
            outputs=_by_name(session.get_outputs()),
        )

    def input(self, name: str) -> GraphTensor:
        """Find an input.

        Raises:
            ManifestError: there is none of that name.

        """
        found = self.inputs.get(name) or self.defaults.get(name)
        if found is None:
            known = ", ".join(sorted([*self.inputs, *self.defaults]))
            raise ManifestError(f"{FILE}: the graph has no input {name!r}; it has {known}")
        return found

    def output(self, name: str) -> GraphTensor:
        """Find an output.

        Raises:
            ManifestError: there is none of that name.

        """
        if name not in self.outputs:
            raise ManifestError(f"{FILE}: the graph has no output {name!r}; it has {', '.join(sorted(self.outputs))}")
        return self.outputs[name]


def _by_name(found: Iterable[ort.NodeArg]) -> dict[str, GraphTensor]:
    return {
        each.name: GraphTensor(
            name=each.name,
            type=each.type,
            sizes=tuple(size if isinstance(size, int) and size >= 0 else -1 for size in each.shape or ()),
        )
        for each in found
    }
