"""The messages of the protocol, made from a caller's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from soloist.client.tensors import Array, to_tensor
from soloist.v1 import model_pb2, tensor_pb2
from soloist.v1 import sequence_inference_pb2 as pb

NEWEST = 0
# What a model reads beside the frames, by name, in the model's own types.
Inputs = Mapping[str, npt.ArrayLike]
# A number, or a label like "canary".
Version = int | str
CLOSE = pb.StreamRequest(close=pb.Close())


def predict_request(
    model: str, version: Version | None, array: Array, *, every_frame: bool, inputs: Inputs | None = None
) -> pb.PredictRequest:
    """Ask for the answer to one whole sequence."""
    return pb.PredictRequest(
        model=model,
        **which(version),
        frames=to_tensor(array),
        output_selection=_selection(every_frame),
        inputs=_named(inputs),
    )


def open_request(model: str, version: Version | None, *, every_frame: bool) -> pb.StreamRequest:
    """Begin a stream."""
    selection = _selection(every_frame)
    return pb.StreamRequest(open=pb.Open(model=model, **which(version), output_selection=selection))


def chunk_request(first_frame: int, array: Array, inputs: Inputs | None = None) -> pb.StreamRequest:
    """Send frames first_frame … first_frame + len(array) - 1, and what the model reads beside them."""
    chunk = pb.Chunk(first_frame=first_frame, frames=to_tensor(array), inputs=_named(inputs))
    return pb.StreamRequest(chunk=chunk)


def get_model_request(model: str, version: Version | None) -> pb.GetModelRequest:
    """Ask what is known of a model."""
    return pb.GetModelRequest(model=model, **which(version))


def which(version: Version | None) -> Any:
    """Name a version in the fields that every request has for it."""
    return {"version_label": version} if isinstance(version, str) else {"version": version or NEWEST}


class Signatures:
    """What models take, as far as it was asked for; one server's, so one for each client."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Version], model_pb2.Signature | None] = {}

    def known(self, model: str, version: Version | None) -> bool:
        """Tell whether it need not be asked for."""
        return (model, version or NEWEST) in self._known

    def get(self, model: str, version: Version | None) -> model_pb2.Signature | None:
        """Give what is known; None when the model's manifest could not be read."""
        return self._known.get((model, version or NEWEST))

    def keep(self, model: str, version: Version | None, manifest: model_pb2.Model | None) -> None:
        """Remember what a manifest says."""
        self._known[model, version or NEWEST] = manifest.signature if manifest is not None else None

    def forget(self, model: str, version: Version | None) -> None:
        """Ask again next time: frames were refused, so "newest" may be another version by now."""
        self._known.pop((model, version or NEWEST), None)


def _named(inputs: Inputs | None) -> list[tensor_pb2.NamedTensor]:
    given = (inputs or {}).items()
    return [tensor_pb2.NamedTensor(name=name, tensor=to_tensor(np.asarray(value))) for name, value in given]


def _selection(every_frame: bool) -> pb.OutputSelection.ValueType:
    return pb.OUTPUT_SELECTION_EVERY_FRAME if every_frame else pb.OUTPUT_SELECTION_LAST
