"""A server of real parts in virtual time: sessions, sequences, batcher, handlers and the adapter of the transport.

Engine, network, clock and workers stand in for real ones.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from prometheus_client import CollectorRegistry

from bench.state_machine.chain_model import NAME, chain_servable
from bench.state_machine.held_executor import HeldExecutor
from bench.state_machine.kept_tokens import Fleet
from bench.state_machine.room import Owner, Room, WatchedSessions
from bench.state_machine.virtual_time import VirtualLoop
from bench.state_machine.watched_sequences import SequenceOwner, WatchedSequences
from bench.state_machine.watched_store import Asker, SharedStore, WatchedStore
from bench.state_machine.watched_tokens import WatchedTokens
from service.access.client import Client, Role
from service.access.need import EVERYBODY, Need
from service.api.methods import StreamMethod, UnaryMethod
from service.api.oip.context import OipContext
from service.api.oip.model_infer import unary_infer
from service.api.oip.sequences import Sequences
from service.api.oip.stored_sequences import StoredSequences
from service.api.v1.stream import stream
from service.core.errors import Reason, ServiceError
from service.core.health import Health
from service.loading.servable import Servable
from service.repository.refcounts import Refcounts
from service.sealing.sealer import Sealer
from service.serving.batcher import Batcher, BatchLimits
from service.serving.inference import InputLimits, Serving
from service.serving.prediction import Prediction
from service.serving.recorder import Recorder
from service.serving.resume import Resumption
from service.serving.resume_metrics import ResumeMetrics
from service.serving.sequence_records import SequenceRecords
from service.serving.session_metrics import SessionMetrics
from service.serving.store_metrics import StoreMetrics
from service.transport.active_calls import ActiveCalls
from service.transport.admission import CallLimits
from service.transport.boundary import Boundary
from service.transport.grpc_adapter import GrpcAdapter
from service.transport.guards import OPEN, Guard, Guards
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
    # Servers that share a store of sequences; 0: one server, which keeps them itself.
    sharing: int = 0


class _OneModel:
    """Stands for the repository: one model, always ready."""

    def __init__(self, servable: Servable) -> None:
        self._servable = servable

    def route(self, name: str, *_: object, **_how: str) -> Servable:
        if name != NAME:
            raise ServiceError(Reason.MODEL_NOT_FOUND, model=name)
        return self._servable


class _Named(Guards):
    """Stands for credentials: who calls is who it says it is."""

    def of(self, _method: str, _need: Need) -> Guard:
        """Return what takes the caller's address for its name."""
        return lambda caller: Client(name=caller.peer(), roles=frozenset({Role.INFER}))


class Replica:
    """One server, from its start to its end. It keeps sequences in the store that it shares, if there is one."""

    def __init__(self, bounds: Bounds, loop: VirtualLoop, fleet: Fleet, shared: SharedStore | None = None) -> None:
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
        self.store = None
        if shared is not None:
            self.store = WatchedStore(shared=shared, room=self.room, fleet=fleet, idle_seconds=bounds.idle_seconds)
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
            observers=[self._published],
        )
        self.adapter = GrpcAdapter(
            Boundary(self.calls, recorder),
            CallLimits(max_message_bytes=_BYTES, idle_seconds=bounds.idle_seconds),
            serving.batcher.on_the_way,
        )
        streams = StreamMethod(
            name="Stream", request=pb.StreamRequest, handler=partial(stream, serving), need=EVERYBODY
        )
        self.answer_stream = self.adapter.answers("", [streams])["//Stream"]
        infer = UnaryMethod(
            name="ModelInfer",
            request=oip_pb.ModelInferRequest,
            handler=partial(unary_infer, self._context(serving, registry)),
            need=EVERYBODY,
        )
        guards = OPEN if shared is None else _Named()
        self.answer_infer = self.adapter.answers("", [infer], guards)["//ModelInfer"]

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

    def began_stored(self, task: asyncio.Task[Any], asker: Asker, owner: Owner) -> None:
        """Note for which request of a stored sequence a task is at work, and whose session it opens."""
        self.room.actors[task] = owner
        if self.store is not None:
            self.store.askers[task] = asker

    def _published(self, prediction: Prediction) -> None:
        task = asyncio.current_task()
        if self.store is not None and task is not None and task in self.store.askers:
            self.store.askers[task].published(prediction.id)

    def _context(self, serving: Serving, registry: CollectorRegistry) -> OipContext:
        idle_seconds, stored = self.bounds.idle_seconds, None
        sequences: Sequences
        if self.store is None:
            sequences = WatchedSequences(self.room, self.sessions, self.owner_of, idle_seconds=idle_seconds)
        else:
            sequences = Sequences(self.sessions, idle_seconds=idle_seconds)
            sealer, metrics = Sealer(self.fleet.newest, self.fleet.by_id), StoreMetrics(registry)
            records = SequenceRecords(self.store, sealer, metrics, max_bytes=_BYTES, clock=self.loop.time)
            stored = StoredSequences(records, serving, sequences)
        return OipContext(
            serving=serving,
            sequences=sequences,
            manager=cast("RepositoryManager", None),
            health=Health(),
            max_rows=1,
            stored=stored,
        )


def _batch_limits(bounds: Bounds) -> BatchLimits:
    return BatchLimits(
        workers=bounds.workers,
        max_batch_size=3,
        max_batch_frames=64,
        max_slice_frames=bounds.max_slice_frames,
        max_queued=1000,
        max_inline_seconds=bounds.max_inline_seconds,
    )
