"""The manifest's signature: what goes into a graph and what comes out."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from models.zoo import SequenceModel
from soloist.data_types import data_type_of
from soloist.v1.model_pb2 import Signature, StateSpec
from soloist.v1.tensor_pb2 import DATA_TYPE_FLOAT32, DATA_TYPE_INT64, TensorSpec

_FREE = -1


def signature(model: SequenceModel) -> Signature:
    """Describe a model's graph; its tensors bear the names that export/graph.py gives them."""
    task = model.task
    frames = TensorSpec(name="frames", data_type=DATA_TYPE_FLOAT32, shape=[_FREE, _FREE, task.feature_count])
    if task.frames == "tokens":
        frames = TensorSpec(name="frames", data_type=DATA_TYPE_INT64, shape=[_FREE, _FREE])
    return Signature(
        frames=frames,
        length=TensorSpec(name="length", data_type=DATA_TYPE_INT64, shape=[_FREE]),
        outputs=TensorSpec(name="outputs", data_type=DATA_TYPE_FLOAT32, shape=[_FREE, _FREE, len(task.labels)]),
        states=state_specs(model.initial_state(1)),
        text_encoding=task.text_encoding,
        token_count=task.token_count,
    )


def state_specs(initial: Mapping[str, Tensor]) -> list[StateSpec]:
    """Describe states [batch, …] by name: each goes in as `state.<name>`, and out as `next.<name>`."""
    return [
        StateSpec(
            name=name,
            input=f"state.{name}",
            output=f"next.{name}",
            data_type=data_type_of(state.numpy().dtype),
            shape=state.shape[1:],
        )
        for name, state in initial.items()
    ]
