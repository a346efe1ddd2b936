"""Messages of Stream as callers make and compare them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.state_machine.chain_model import NAME
from bench.state_machine.kept_tokens import SentChunk, Token
from bench.state_machine.token_wishes import Spoilt, TokenWish
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1 import tensor_pb2


def opening_of(wish: TokenWish, brought: Token | None, spoilt: Spoilt | None, *, every_frame: bool) -> pb.Open:
    """Return the first message of a stream, spoilt or not."""
    opening = pb.Open(
        model=NAME,
        output_selection=pb.OUTPUT_SELECTION_EVERY_FRAME if every_frame else pb.OUTPUT_SELECTION_LAST,
        resume_tokens=wish.when,
        resume_token_frames=wish.frames,
    )
    if brought is not None:
        opening.resume_token = brought.raw
    if spoilt is not None:
        spoilt.spoil(opening)
    return opening


def result_of(chunk: SentChunk, outputs: Sequence[Sequence[float]]) -> pb.StreamResponse:
    """Return the answer to a chunk that has these outputs."""
    array = np.array(outputs, np.float32)
    tensor = tensor_pb2.Tensor(data_type=tensor_pb2.DATA_TYPE_FLOAT32, data=array.tobytes())
    result = pb.ChunkResult(first_frame=chunk.first_frame, frame_count=len(chunk.frames), outputs=tensor)
    return pb.StreamResponse(result=result)


def comparable(answer: pb.StreamResponse) -> pb.StreamResponse:
    """Return an answer without what differs from run to run."""
    if answer.HasField("opened"):
        answer.opened.ClearField("session_id")
    if answer.HasField("result"):
        for name in ("prediction_id", "classification", "batch_size", "padded_frames", "extra_outputs"):
            answer.result.ClearField(name)
        answer.result.outputs.ClearField("shape")
    return answer
