"""What a client keeps to continue a stream whose server has gone: the last token, and the chunks since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from soloist.client.errors import SoloistError, StreamEndedError
from soloist.client.retry import RetryPolicy
from soloist.integers import int64
from soloist.v1 import sequence_inference_pb2 as pb

# A server that starts again takes some seconds, and grpcio may take some more to find it.
_RETRY = RetryPolicy(
    attempts=40,
    initial_backoff_seconds=0.1,
    max_backoff_seconds=2.0,
    reasons=frozenset(
        {"QUEUE_FULL", "TOO_MANY_SESSIONS", "MEMORY_FULL", "SESSION_STATE_FULL", "SESSION_IDLE", "STREAM_TOO_OLD"}
    ),
    broken_calls=True,
)


@dataclass(frozen=True, kw_only=True)
class Resume:
    """How a stream goes on when its server drains, dies, or can't be reached any more.

    The server sends a resume token with an answer every `every_frames` frames; with 0 only when it ends the stream by
    itself, so nothing is left after its death. The client keeps the chunks since the last token. With `token`, the
    `resume_token` of an earlier stream, that sequence goes on. `retry` says how often it tries to go on, and after
    which refusals.
    """

    every_frames: int = 1
    token: bytes = field(default=b"", repr=False)
    retry: RetryPolicy = _RETRY

    def __post_init__(self) -> None:
        if int64("every_frames", self.every_frames) < 0:
            raise ValueError(f"every_frames must not be negative, but is {self.every_frames}")


class Place:
    """Where a sequence is, and how it is continued from there."""

    def __init__(self, resume: Resume, opening: pb.StreamRequest) -> None:
        self.resume = resume
        self.token = resume.token
        self._open = opening.open
        self._open.resume_tokens = pb.RESUME_TOKENS_WITH_ANSWERS if resume.every_frames else pb.RESUME_TOKENS_AT_END
        self._open.resume_token_frames = resume.every_frames
        # Chunks that were answered since the last token, in order.
        self._since: list[pb.StreamRequest] = []

    def opening(self) -> pb.StreamRequest:
        """Return the message that begins the sequence, or continues it."""
        if self.token:
            self._open.resume_token = self.token
            self._open.ClearField("version")
            self._open.ClearField("version_label")
        return pb.StreamRequest(open=self._open)

    def opened(self, opened: pb.Opened) -> None:
        """Keep the token for the beginning of the stream."""
        self.token = opened.resume_token or self.token

    def again(self) -> Iterator[pb.StreamRequest]:
        """Return the chunks that a server has to answer again before it is where the last one was."""
        return iter(tuple(self._since))

    def answered(self, request: pb.StreamRequest, result: pb.ChunkResult) -> None:
        """Note the answer to a chunk."""
        if result.resume_token:
            self.token = result.resume_token
            self._since.clear()
        elif not self.resume.every_frames:
            self.token = b""  # of an earlier place, from which nothing was kept
        elif not any(_at(request) == _at(each) for each in self._since):
            self._since.append(request)

    def ended(self, error: BaseException) -> None:
        """Keep the last token of a stream that the server has ended, if that is the error."""
        if isinstance(error, StreamEndedError):
            self.token = error.token
            self._since.clear()

    def is_lost(self, error: SoloistError) -> bool:
        """Take note of an error; return whether the sequence can't go on after it."""
        self.ended(error)
        return not self.token or not self.resume.retry.allows(error)


def noted(place: Place | None, request: pb.StreamRequest, response: pb.StreamResponse) -> pb.StreamResponse:
    """Keep what an answer says of the place, if there is one, and return it."""
    if place is not None and response.HasField("result"):
        place.answered(request, response.result)
    return response


def place_of(resume: Resume | bool, opening: pb.StreamRequest) -> Place | None:
    """Return where a new stream is; None if it isn't to be continued. True stands for the defaults."""
    if isinstance(resume, bool):
        return Place(Resume(), opening) if resume else None
    return Place(resume, opening)


def _at(request: pb.StreamRequest) -> int:
    return request.chunk.first_frame
