"""Owns the requests of the Open Inference Protocol that tests send, as its clients would and would not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from soloist.oip import grpc_service_pb2 as pb
from soloist.oip import grpc_service_pb2_grpc
from tests.integration.asking import Asker, translated

_WORDS = {"float32": "FP32", "float64": "FP64", "int64": "INT64", "int32": "INT32"}
_TIMEOUT_SECONDS = 30.0
ONES = np.ones((1, 3, 2), np.float32)


def request(
    frames: npt.ArrayLike | None = ONES,
    *,
    model: str = "sums",
    version: str = "",
    name: str = "",
    outputs: tuple[str, ...] = (),
    inputs: dict[str, Any] | None = None,
    parameters: dict[str, Any] | None = None,
) -> pb.ModelInferRequest:
    """Pack `frames` and other `inputs` raw; `name` is the id. Integers, texts and truths become parameters."""
    message = pb.ModelInferRequest(model_name=model, model_version=version, id=name)
    given = ({} if frames is None else {"frames": frames}) | (inputs or {})
    for tensor, values in given.items():
        array = np.asarray(values)
        message.inputs.add(name=tensor, datatype=_WORDS[array.dtype.name], shape=array.shape)
        message.raw_input_contents.append(array.tobytes())
    for output in outputs:
        message.outputs.add(name=output)
    for parameter, value in (parameters or {}).items():
        field = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}[type(value)]
        setattr(message.parameters[parameter], field, value)
    return message


def step(
    sequence: int | str, frames: npt.ArrayLike | None = ONES, *, start: bool = False, end: bool = False, **more: Any
) -> pb.ModelInferRequest:
    """Pack the next frames of a sequence."""
    place = {"sequence_id": sequence, "sequence_start": start, "sequence_end": end}
    return request(frames, parameters=place | more.pop("parameters", {}), **more)


def stub_of(asker: Asker) -> grpc_service_pb2_grpc.GRPCInferenceServiceStub:
    """Make a stub on a connection that is open."""
    return grpc_service_pb2_grpc.GRPCInferenceServiceStub(asker.channel)


def infer(asker: Asker, *requests: pb.ModelInferRequest) -> list[pb.ModelInferResponse]:
    """Send unary requests, one after the other."""
    with translated():
        return [stub_of(asker).ModelInfer(each, timeout=_TIMEOUT_SECONDS) for each in requests]


def converse(asker: Asker, *requests: pb.ModelInferRequest) -> list[pb.ModelStreamInferResponse]:
    """Send requests on one stream, all at once."""
    with translated():
        return list(stub_of(asker).ModelStreamInfer(iter(requests), timeout=_TIMEOUT_SECONDS))


def outputs_of(response: pb.ModelInferResponse) -> dict[str, Any]:
    """Read the raw float outputs of a response, by name."""
    pairs: Iterator[tuple[Any, bytes]] = zip(response.outputs, response.raw_output_contents, strict=True)
    return {output.name: np.frombuffer(data, "<f4").reshape(output.shape) for output, data in pairs}
