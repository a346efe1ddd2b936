"""A server of real parts in virtual time: sessions, sequences, batcher, handlers and the adapter of the transport.

Engine, network, clock and workers stand in for real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from prometheus_client import CollectorRegistry

from bench.state_machine.chain_model import NAME, chain_servable
from bench.state_machine.held_executor import HeldExecutor
from bench.state_machine.kept_tokens import Fleet
from bench.state_machine.room import Owner, Room, WatchedSessions
from bench.state_machine.virtual_time import Moment, VirtualLoop
from bench.state_machine.watched_tokens import WatchedTokens
from service.access.need import EVERYBODY
from service.api.methods import StreamMethod, UnaryMethod
from service.api.oip.context import OipContext
from service.api.oip.model_infer import model_infer
from service.api.oip.sequences import Key, SequenceLease, Sequences
from service.api.v1.stream import stream
from service.core.errors import Reason, ServiceError
from service.core.health import Health
from service.loading.servable import Servable
from service.repository.refcounts import Refcounts
from service.serving.batcher import Batcher, BatchLimits
from service.serving.inference import InputLimits, Serving
from service.serving.recorder import Recorder
from service.serving.resume import Resumption
from service.serving.resume_metrics import ResumeMetrics
from service.serving.session import Session
from service.serving.session_metrics import SessionMetrics
from service.transport.active_calls import ActiveCalls
from service.transport.admission import CallLimits
from service.transport.boundary import Boundary
from service.transport.grpc_adapter import GrpcAdapter
from soloist.oip import grpc_service_pb2 as oip_pb
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from service.repository import Repository, RepositoryManager

_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The settings of a replica, and of its network (`shows_cancels`: bench.state_machine.calls)."""

    max_sessions: int
    max_state_bytes: int
    evict_after_seconds: float
    idle_seconds: float
    workers: int
    max_slice_frames: int
    max_inline_seconds: float
    shows_cancels: bool
    max_stream_age_seconds: float


class SequenceOwner(Owner):
    """The owner of a sequence's session: idle since its last request was done with, if none is in progress."""

    def __init__(self, name: str, idle_seconds: float, room: Room) -> None:
        super().__init__(name, lambda: None if self.users else self.left_at)
        self.idle_seconds, self.loop, self.faults = idle_seconds, room.loop, room.faults
        self.users = 0
        self.left_at: Moment | None = None
        # The state after its last frame; None while there is no sequence.
        self.state: int | None = None
        self.is_expired = False

    def began(self, session: Session) -> None:
        """Hear that the session has begun. It hasn't answered yet."""
        super().began(session)
        self.is_expired = False

    def ended(self, reason: str) -> None:
        """Hear that the session has ended."""
        super().ended(reason)
        if reason != "complete":  # then the answer is yet to be compared
            self.state = None
        self.is_expired = reason == "idle"
        left = self.left_at
        if self.is_expired and (left is None or self.loop.time() - left[0] < self.idle_seconds - 1e-6 or self.users):
            self.faults.append(f"{self.name} expired too early")


class _OneModel:
    """Stands for the repository: one model, always ready."""

    def __init__(self, servable: Servable) -> None:
        self._servable = servable

    def route(self, name: str, *_: object, **_how: str) -> Servable:
        if name != NAME:
            raise ServiceError(Reason.MODEL_NOT_FOUND, model=name)
        return self._servable


class _WatchedSequences(Sequences):
    """Sequences that tell which request has which of them."""

    def __init__(
        self, room: Room, sessions: WatchedSessions, owner_of: Callable[[int | str], SequenceOwner], **bounds: Any
    ):
        super().__init__(sessions, **bounds)
        self._room = room
        self._owner_of = owner_of

    @asynccontextmanager
    async def lease(self, key: Key) -> AsyncIterator[SequenceLease]:
        """Lease a sequence, and note for whom."""
        owner, task = self._owner_of(key.sequence_id), asyncio.current_task()
        owner.users += 1
        try:
            async with super().lease(key) as lease:
                if task is not None:
                    self._room.actors[task] = owner
                owner.refused = None
                yield lease
        finally:
            self._room.actors.pop(cast("asyncio.Task[Any]", task), None)
            owner.users -= 1
            owner.left_at = self._room.loop.moment()


class Replica:
    """One server, from its start to its end."""

    def __init__(self, bounds: Bounds, loop: VirtualLoop, fleet: Fleet) -> None:
        self.bounds, self.loop, self.fleet = bounds, loop, fleet
        self.room = Room(
            loop=loop,
            max_sessions=bounds.max_sessions,
            max_state_bytes=bounds.max_state_bytes,
            evict_after_seconds=bounds.evict_after_seconds,
        )
        self.executor = HeldExecutor()
        self.is_draining = self.is_cut = False
        self.calls = ActiveCalls()
        self.refcounts = Refcounts()
        self.servable = chain_servable()
        self.sequence_owners: dict[object, SequenceOwner] = {}
        registry = CollectorRegistry()
        recorder = Recorder(registry)
        self.metrics = SessionMetrics(registry)
        self.sessions = WatchedSessions(self.room, metrics=self.metrics, refcounts=self.refcounts)
        tokens = WatchedTokens(self.room, fleet, max_bytes=_BYTES)
        self.resumption = Resumption(tokens, ResumeMetrics(registry), max_age_seconds=bounds.max_stream_age_seconds)
        serving = Serving(
            repository=cast("Repository", _OneModel(self.servable)),
            sessions=self.sessions,
            batcher=Batcher(self.executor, _batch_limits(bounds), on_run=recorder.ran),
            recorder=recorder,
            resumption=self.resumption,
            limits=InputLimits(
                max_frames=100, max_chunk_frames=100, allow_non_finite=False, idle_seconds=bounds.idle_seconds
            ),
        )
        self.adapter = GrpcAdapter(
            Boundary(self.calls, recorder),
            CallLimits(max_message_bytes=_BYTES, idle_seconds=bounds.idle_seconds),
            serving.batcher.on_the_way,
        )
        answers = self.adapter.answers("", self._methods(serving))
        self.answer_stream, self.answer_infer = answers["//Stream"], answers["//ModelInfer"]

    def owner_of(self, sequence: int | str) -> SequenceOwner:
        """Return the owner of a sequence's session."""
        if sequence not in self.sequence_owners:
            self.sequence_owners[sequence] = SequenceOwner(f"sequence {sequence}", self.bounds.idle_seconds, self.room)
        return self.sequence_owners[sequence]

    def turn(self, turns: int) -> None:
        """Let the loop turn."""
        self.loop.turn(turns)

    def finish_run(self, index: int) -> None:
        """Let a worker do one of the runs that it was given."""
        if self.executor:
            with self.loop.shown():
                self.executor.run_one(index % len(self.executor))

    def drain(self) -> None:
        """Take no more calls."""
        self.is_draining = True
        self.calls.drain()
        with self.loop.shown():
            self.resumption.end_streams()

    def cut(self) -> None:
        """End every call in progress."""
        self.is_cut = True
        self.sessions.expect_cut()
        self.loop.call_soon(self.calls.cut)

    def _methods(self, serving: Serving) -> list[StreamMethod[Any] | UnaryMethod[Any]]:
        sequences = _WatchedSequences(self.room, self.sessions, self.owner_of, idle_seconds=self.bounds.idle_seconds)
        context = OipContext(
            serving=serving,
            sequences=sequences,
            manager=cast("RepositoryManager", None),
            health=Health(),
            max_rows=1,
        )
        return [
            StreamMethod(name="Stream", request=pb.StreamRequest, handler=partial(stream, serving), need=EVERYBODY),
            UnaryMethod(
                name="ModelInfer",
                request=oip_pb.ModelInferRequest,
                handler=partial(model_infer, context),
                need=EVERYBODY,
            ),
        ]


def _batch_limits(bounds: Bounds) -> BatchLimits:
    return BatchLimits(
        workers=bounds.workers,
        max_batch_size=3,
        max_batch_frames=64,
        max_slice_frames=bounds.max_slice_frames,
        max_queued=1000,
        max_inline_seconds=bounds.max_inline_seconds,
    )
