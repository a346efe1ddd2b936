"""What a service is asked of one model, as messages that are bytes."""

from __future__ import annotations

from typing import Protocol

from bench.load_generator.workload import Array


class Api(Protocol):
    """One service and one model. A stream is an opening, chunks and a closing; each of them has one answer."""

    @property
    def whole_path(self) -> str:
        """The method that answers whole sequences."""

    @property
    def stream_path(self) -> str:
        """The method that answers streams."""

    @property
    def opening(self) -> bytes | None:
        """What a stream begins with before its first chunk, if anything."""

    @property
    def closing(self) -> bytes | None:
        """What a stream ends with after its last chunk, if anything."""

    def whole(self, frames: Array) -> bytes:
        """Return the message of a whole sequence."""

    def chunk(self, first_frame: int, frames: Array) -> bytes:
        """Return the message of one chunk, as far as it is the same in every stream."""

    def in_stream(self, chunk: bytes, sequence: int, *, first: bool, last: bool) -> bytes:
        """Return the message of a chunk as one stream sends it; `sequence` is the stream's number."""

    def check_chunk(self, answer: bytes) -> None:
        """Raise SoloistError if what answers a chunk is a refusal."""

    def whole_bits(self, answer: bytes) -> bytes:
        """Return what has to be the same whenever a sequence is sent."""

    def chunk_bits(self, answer: bytes) -> bytes:
        """Return what has to be the same whenever a chunk is sent."""
