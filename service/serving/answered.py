"""The last chunk that was answered, so that a repeat is known and gets the same answer."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soloist.v1.sequence_inference_pb2 import Chunk

_DIGEST_BYTES = 16
# Frames of this size are their own digest.
_SMALL_BYTES = 128


@dataclass(kw_only=True, slots=True)  # not frozen, since one is made for every chunk
class Answered:
    """The last chunk that was answered, and its answer as bytes, in case the caller repeats it.

    An answer of `result_bytes` that was too large for a resume token is missing: `result` is empty.
    """

    first_frame: int
    digest: bytes
    result: bytes
    result_bytes: int


def digest_of(chunk: Chunk) -> bytes:
    """Return what tells a chunk from others: a digest of its frames and inputs, or small frames as they are."""
    # Tensor messages hold no maps, so equal ones have equal bytes within a process. Reading `data` copies it as well.
    frames = chunk.frames.SerializeToString(deterministic=True)
    if len(frames) <= _SMALL_BYTES and not chunk.inputs:
        return frames
    digest = blake2b(frames, digest_size=_DIGEST_BYTES)
    for named in chunk.inputs:
        digest.update(named.SerializeToString(deterministic=True))
    return digest.digest()
