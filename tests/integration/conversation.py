"""Owns a stream in raw messages, one at a time, so that a test can stop anywhere and see every field."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import numpy as np

from soloist.v1 import sequence_inference_pb2 as pb
from tests.integration.asking import CLOSE, Asker, asking, tensor, translated


class Conversation:
    """One open stream."""

    def __init__(self, asker: Asker, opening: pb.Open) -> None:
        self._sent: SimpleQueue[pb.StreamRequest | None] = SimpleQueue()
        self._call: Any = asker.stub.Stream(iter(self._sent.get, None), timeout=60)
        self.opened = self.ask(pb.StreamRequest(open=opening)).opened

    def ask(self, message: pb.StreamRequest) -> pb.StreamResponse:
        """Send a message and return the next that comes."""
        self._sent.put(message)
        return self.next()

    def next(self) -> pb.StreamResponse:
        """Return the next message."""
        with translated():
            response: pb.StreamResponse = next(self._call)
            return response

    def send(self, first_frame: int, frames: Any) -> pb.ChunkResult:
        """Send a chunk and return its answer."""
        chunk = pb.Chunk(first_frame=first_frame, frames=tensor(np.asarray(frames)))
        return self.ask(pb.StreamRequest(chunk=chunk)).result

    def close(self) -> int:
        """Complete the sequence; return its number of frames."""
        closed = self.ask(CLOSE).closed
        self.leave()
        return closed.frame_count

    def leave(self) -> None:
        """Send nothing more."""
        self._sent.put(None)


@contextmanager
def conversing(target: str, model: str, **fields: Any) -> Iterator[Conversation]:
    """Open a stream on a server (host:port)."""
    with asking(target) as asker:
        conversation = None
        try:
            conversation = Conversation(asker, pb.Open(model=model, **fields))
            yield conversation
        finally:
            if conversation is not None:
                conversation.leave()


def same(answer: pb.ChunkResult, other: pb.ChunkResult, *, rerun: bool = True) -> bool:
    """Return whether two answers have the same bytes, but for the token; and if `rerun`, for what shared the run."""
    bare = []
    for each in (answer, other):
        copy = pb.ChunkResult()
        copy.CopyFrom(each)
        copy.ClearField("resume_token")
        if rerun:
            copy.ClearField("batch_size")
            copy.ClearField("padded_frames")
        bare.append(copy.SerializeToString(deterministic=True))
    return bare[0] == bare[1]
