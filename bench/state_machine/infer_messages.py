"""Messages of ModelInfer as callers make and compare them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.state_machine.chain_model import NAME, reference
from soloist.oip import grpc_service_pb2 as pb


def infer_request(sequence: int, frames: Sequence[float], *, start: bool, end: bool) -> pb.ModelInferRequest:
    """Return a request with the next frames of a sequence, which wants the state after them as well."""
    message = pb.ModelInferRequest(model_name=NAME)
    message.parameters["sequence_id"].int64_param = sequence
    message.parameters["sequence_start"].bool_param = start
    message.parameters["sequence_end"].bool_param = end
    message.inputs.add(name="frames", datatype="FP32", shape=[1, len(frames), 1])
    message.raw_input_contents.append(np.array(frames, np.float32).tobytes())
    for name in ("outputs", "next.chain"):
        message.outputs.add(name=name)
    return message


def bring_state(message: pb.ModelInferRequest, state: int) -> None:
    """Add the state that a sequence begins from."""
    message.inputs.add(name="state.chain", datatype="INT64", shape=[1, 1])
    message.raw_input_contents.append(np.array([state], np.uint64).tobytes())


def right_contents(before: int, frames: Sequence[float]) -> tuple[list[bytes], int]:
    """Return the contents of the answer to frames after a state, and the state after them."""
    outputs, after = reference(before, frames)
    return [np.array(outputs, np.float32).tobytes(), np.array([after], np.uint64).tobytes()], after
