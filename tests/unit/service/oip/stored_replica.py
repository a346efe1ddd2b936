"""A server of stored sequences whose runs happen when a test says so, and its requests."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from service.access.client import Client, Role
from service.api.oip.context import OipContext
from service.api.oip.model_infer import model_infer
from service.api.oip.sequences import Sequences
from service.api.oip.stored_sequences import StoredSequences
from service.app.metrics import Metrics
from service.core.errors import Reason, ServiceError
from service.core.health import Health
from service.core.reasons.error_kind import ErrorKind
from service.loading.servable import Servable
from service.repository import Repository, RepositoryManager
from service.sealing.keys_file import Key, new_key
from service.sealing.sealer import Sealer
from service.serving.batcher import Batcher, BatchLimits
from service.serving.call import Call
from service.serving.inference import InputLimits, Serving
from service.serving.prediction import Prediction
from service.serving.sequence_records import Seal, SequenceRecords
from service.serving.sessions import Sessions
from service.store.memory_store import MemoryStore
from service.store.store import Stored, StoreError
from soloist.oip import grpc_service_pb2 as pb
from tests.integration.infer_requests import step
from tests.servables import GatedRunner, servable
from tests.unit.service.awaited_executor import AwaitedExecutor, turns

KEY = new_key(seals_from=0)
LIMITS = BatchLimits(workers=1, max_batch_size=8, max_batch_frames=1000, max_slice_frames=4, max_queued=50)


def sealer(key: Key = KEY) -> Sealer:
    return Sealer(lambda: key, {key.id: key}.get)


class _OneVersion:
    """Stands for the repository."""

    def __init__(self, version: int) -> None:
        self.servable = servable(GatedRunner(), version=version)

    def route(self, name: str, version: int = 0, *_: object, **_how: object) -> Servable:
        if version not in (0, self.servable.version):
            raise ServiceError(Reason.MODEL_VERSION_NOT_FOUND, model=name, version=version)
        return self.servable


class Replica:
    """One server, whose runs happen when the test says so."""

    def __init__(
        self, store: MemoryStore, *, seal: Seal | None = None, version: int = 1, max_bytes: int = 10_000
    ) -> None:
        self.registry = CollectorRegistry()
        metrics, self.executor, self.published = Metrics(self.registry), AwaitedExecutor(), list[Prediction]()
        self.repository, self.now = _OneVersion(version), 1000.0
        self.sessions = Sessions(max_sessions=2, max_state_bytes=1000, metrics=metrics.sessions)
        serving = Serving(
            repository=cast("Repository", self.repository),
            sessions=self.sessions,
            batcher=Batcher(self.executor, LIMITS),
            recorder=metrics.recorder,
            limits=InputLimits(max_frames=100, max_chunk_frames=100, allow_non_finite=False, idle_seconds=60),
            observers=[self.published.append],
        )
        sequences = Sequences(self.sessions, idle_seconds=60)
        records = SequenceRecords(store, seal or sealer(), metrics.store, max_bytes=max_bytes, clock=lambda: self.now)
        self.context = OipContext(
            serving=serving,
            sequences=sequences,
            manager=cast("RepositoryManager", None),
            health=Health(),
            max_rows=8,
            stored=StoredSequences(records, serving, sequences),
        )

    def begin(self, request: pb.ModelInferRequest, *, client: str = "") -> asyncio.Task[pb.ModelInferResponse]:
        identity = Client(name=client, roles=frozenset({Role.INFER})) if client else None
        call = Call(api="ModelInfer", peer="127.0.0.1:1", identity=identity)
        return asyncio.ensure_future(model_infer(self.context, call, request, lambda _call, response: response))

    async def end(self, asked: asyncio.Task[pb.ModelInferResponse]) -> pb.ModelInferResponse:
        await turns()
        await self.executor.finish_all()
        return await asked

    async def ask(self, request: pb.ModelInferRequest, *, client: str = "") -> pb.ModelInferResponse:
        return await self.end(self.begin(request, client=client))

    async def refusal(self, request: pb.ModelInferRequest, *, client: str = "") -> ErrorKind:
        with pytest.raises(ServiceError) as caught:
            await self.ask(request, client=client)
        assert not len(self.sessions)
        return caught.value.reason

    def counted(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


def chunk(*frames: float, name: str = "", **place: Any) -> pb.ModelInferRequest:
    return step("s", np.array(frames, np.float32)[None, :, None], model="gated", name=name, **place)


def last_of(response: pb.ModelInferResponse) -> float:
    return float(np.frombuffer(response.raw_output_contents[0], np.float32)[-1])


def prediction_id(response: pb.ModelInferResponse) -> str:
    return str(response.parameters["prediction_id"].string_param)


def at(first_frame: int, *frames: float, name: str = "", **place: Any) -> pb.ModelInferRequest:
    return chunk(*frames, name=name, parameters={"sequence_first_frame": first_frame}, **place)


class UnsureStore(MemoryStore):
    """Answers in vain, before or after it has done what was asked."""

    fails = ""

    async def load(self, key: str) -> Stored | None:
        if self.fails == "load":
            raise StoreError
        return await super().load(key)

    async def save(self, key: str, new: Stored, *, expected: bytes | None, seconds: float) -> bool:
        if self.fails == "before":
            raise StoreError
        done = await super().save(key, new, expected=expected, seconds=seconds)
        if self.fails == "after":
            raise StoreError
        return done


async def put(store: MemoryStore, key: str, new: Stored) -> None:
    """Change what is stored, as somebody does who has no part in the protocol."""
    here = await store.load(key)
    if here is not None and here.fence == new.fence:  # a store takes the same fence for the same write
        assert await store.save(key, Stored(b"between", b""), expected=here.fence, seconds=60)
        here = await store.load(key)
    assert await store.save(key, new, expected=None if here is None else here.fence, seconds=60)
