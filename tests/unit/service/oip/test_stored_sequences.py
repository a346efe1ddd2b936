"""Sequences of two servers that share a store, request by request, at moments of the test's choice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
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
from service.loading.servable import Servable
from service.repository import Repository, RepositoryManager
from service.sealing.keys_file import Key, new_key
from service.sealing.plain import PlainSealer
from service.sealing.sealer import Sealer
from service.serving import sequence_records
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
from tests.servables import POISON, GatedRunner, servable
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
        return asyncio.ensure_future(model_infer(self.context, call, request))

    async def end(self, asked: asyncio.Task[pb.ModelInferResponse]) -> pb.ModelInferResponse:
        await turns()
        await self.executor.finish_all()
        return await asked

    async def ask(self, request: pb.ModelInferRequest, *, client: str = "") -> pb.ModelInferResponse:
        return await self.end(self.begin(request, client=client))

    async def refusal(self, request: pb.ModelInferRequest, *, client: str = "") -> Reason:
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


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def one(store: MemoryStore) -> Replica:
    return Replica(store)


@pytest.fixture
def two(store: MemoryStore) -> Replica:
    return Replica(store)


async def test_each_server_goes_on_where_the_other_was(one: Replica, two: Replica) -> None:
    answers = [
        await one.ask(chunk(1, 2, start=True)),
        await two.ask(chunk(3)),
        await one.ask(chunk(4)),
        await two.ask(chunk(5, end=True)),
    ]
    assert [last_of(each) for each in answers] == [3, 6, 10, 15]
    assert [each.first_frame for each in two.published] == [2, 4]
    assert len({each.sequence_id for each in (*one.published, *two.published)}) == 1
    assert await one.refusal(chunk(6)) is Reason.SEQUENCE_NOT_FOUND
    assert one.counted("soloist_sessions_ended_total", model="gated", reason="stored") == 2
    assert two.counted("soloist_sessions_ended_total", model="gated", reason="complete") == 1


async def test_a_request_that_comes_again_gets_the_answer_of_before_from_any_server(one: Replica, two: Replica) -> None:
    for request in (chunk(1, start=True, name="a"), chunk(2, name="b"), chunk(3, end=True, name="c")):
        first = await one.ask(request)
        for replica in (two, one):
            assert await replica.ask(request) == first
    assert last_of(first) == 6
    assert len(one.published) == 3
    assert not two.published
    assert two.counted("soloist_sequence_repeats_total") == 3


async def test_the_same_id_with_other_contents_is_refused(one: Replica, two: Replica) -> None:
    await one.ask(chunk(1, start=True, name="a"))
    assert await two.refusal(chunk(2, name="a")) is Reason.SEQUENCE_REQUEST_CONFLICT
    assert last_of(await two.ask(chunk(2, name="b"))) == 3


async def test_without_an_id_the_same_frames_are_the_next_ones(one: Replica, two: Replica) -> None:
    await one.ask(chunk(1, start=True))
    assert [last_of(await each.ask(chunk(1))) for each in (one, two)] == [2, 3]


def at(first_frame: int, *frames: float, name: str = "", **place: Any) -> pb.ModelInferRequest:
    return chunk(*frames, name=name, parameters={"sequence_first_frame": first_frame}, **place)


async def test_who_says_the_first_frame_needs_no_ids_and_hears_of_a_store_that_is_behind(
    store: MemoryStore, one: Replica, two: Replica
) -> None:
    for request in (at(0, 1, start=True), at(1, 2, 3), at(3, 4)):
        assert await two.ask(request) == await one.ask(request)
    assert await two.refusal(at(1, 2, 3)) is Reason.CHUNK_OVERLAP
    assert await two.refusal(at(5, 9)) is Reason.CHUNK_GAP
    assert await two.refusal(at(3, 9)) is Reason.SEQUENCE_REQUEST_CONFLICT
    (key,) = store.keys()
    older = cast("Stored", await store.load(key))
    assert last_of(await one.ask(at(4, 5))) == 15
    await put(store, key, older)
    assert await one.refusal(at(5, 6)) is Reason.CHUNK_GAP
    assert last_of(await two.ask(at(4, 5))) == 15  # what is lost can be sent again
    assert not len(one.sessions)


async def test_a_constant_id_is_enough_where_the_first_frame_is_said(one: Replica, two: Replica) -> None:
    for request in (at(0, 1, start=True, name="s"), at(1, 1, name="s"), at(2, 1, name="s")):
        answer = await one.ask(request)
        assert await two.ask(request) == answer
    assert last_of(answer) == 3


async def test_also_without_a_store_frames_at_another_place_are_refused(store: MemoryStore) -> None:
    alone = Replica(store)
    alone.context = replace(alone.context, stored=None)
    assert await alone.refusal(at(1, 1, start=True)) is Reason.CHUNK_GAP
    assert last_of(await alone.ask(at(0, 1, start=True))) == 1
    for first_frame, reason in ((0, Reason.CHUNK_OVERLAP), (2, Reason.CHUNK_GAP)):
        with pytest.raises(ServiceError) as caught:
            await alone.ask(at(first_frame, 1))
        assert caught.value.reason is reason
    assert last_of(await alone.ask(at(1, 1, end=True))) == 2


async def test_of_two_servers_with_the_same_step_one_wins(one: Replica, two: Replica) -> None:
    await one.ask(chunk(1, start=True))
    both = one.begin(chunk(2)), two.begin(chunk(3))
    await turns()
    assert last_of(await two.end(both[1])) == 4
    with pytest.raises(ServiceError) as caught:
        await one.end(both[0])
    assert caught.value.reason is Reason.SEQUENCE_CONFLICT
    assert len(one.published) == 1
    assert last_of(await one.ask(chunk(4))) == 8
    assert one.counted("soloist_sequence_store_operations_total", operation="write", outcome="conflict") == 1


async def test_of_two_servers_with_the_same_request_both_give_the_answer_of_one(one: Replica, two: Replica) -> None:
    for request in (chunk(1, start=True, name="a"), chunk(2, name="b"), chunk(3, end=True, name="c")):
        slow, fast = one.begin(request), two.begin(request)
        await turns()
        assert await two.end(fast) == await one.end(slow)
    assert not one.published
    assert len(two.published) == 3


@pytest.mark.parametrize("begins", [True, False])
async def test_a_server_that_wakes_up_late_changes_nothing(one: Replica, two: Replica, begins: bool) -> None:
    if not begins:
        await one.ask(chunk(1, start=True))
    late = one.begin(chunk(2, start=begins))
    await turns()
    # Meanwhile its caller has asked elsewhere, and got to the same frame again.
    await two.ask(chunk(5, start=True))
    await two.ask(chunk(6))
    with pytest.raises(ServiceError) as caught:
        await one.end(late)
    assert caught.value.reason is Reason.SEQUENCE_CONFLICT
    assert last_of(await one.ask(chunk(7))) == 18


async def test_a_failed_request_leaves_the_sequence_as_it_was(one: Replica, two: Replica) -> None:
    await one.ask(chunk(1, start=True))
    with pytest.raises(RuntimeError):
        await one.ask(chunk(POISON, name="a"))
    assert last_of(await two.ask(chunk(2, name="a"))) == 3
    with pytest.raises(RuntimeError):  # one that fails at its beginning leaves the one before
        await one.ask(chunk(POISON, start=True))
    assert last_of(await two.ask(chunk(2))) == 5


async def test_a_sequence_belongs_to_the_client_who_began_it(one: Replica, two: Replica) -> None:
    await one.ask(chunk(1, start=True, name="a"), client="alice")
    assert await two.refusal(chunk(2), client="bob") is Reason.SEQUENCE_NOT_FOUND
    assert last_of(await two.ask(chunk(5, start=True, name="a"), client="bob")) == 5
    assert last_of(await two.ask(chunk(2), client="alice")) == 3
    assert [each.client for each in two.published] == ["bob", "alice"]


async def test_a_version_that_does_not_serve_here_is_told(store: MemoryStore, one: Replica) -> None:
    await one.ask(chunk(1, start=True, name="a"))
    newer = Replica(store, version=2)
    assert await newer.refusal(chunk(2)) is Reason.MODEL_VERSION_NOT_FOUND
    assert prediction_id(await newer.ask(chunk(1, start=True, name="a")))  # an answer needs no version
    assert last_of(await one.ask(chunk(2))) == 3


async def test_another_file_of_the_version_is_refused(one: Replica, two: Replica) -> None:
    await one.ask(chunk(1, start=True))
    two.repository.servable = servable(GatedRunner())
    two.repository.servable.manifest.signature.outputs.name = "other"
    assert await two.refusal(chunk(2)) is Reason.SEQUENCE_STATE_FOREIGN
    assert last_of(await one.ask(chunk(2))) == 3


async def test_a_machine_of_another_kind_refuses(one: Replica, two: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    await one.ask(chunk(1, start=True))
    with monkeypatch.context() as patch:
        patch.setattr(sequence_records, "fingerprint_sha256", lambda: b"another processor")
        assert await two.refusal(chunk(2)) is Reason.SEQUENCE_MACHINE_DIFFERS
    assert last_of(await two.ask(chunk(2))) == 3


@pytest.mark.parametrize("seal", [sealer, PlainSealer])
async def test_what_was_changed_in_the_store_is_refused_until_the_sequence_begins_again(
    store: MemoryStore, seal: Callable[[], Seal]
) -> None:
    one = Replica(store, seal=seal())
    await one.ask(chunk(1, start=True))
    (key,) = store.keys()
    fence, value = cast("Stored", await store.load(key))
    for broken in (value[:-1], value[:-1] + bytes([value[-1] ^ 1]), b"", b"\xff" * 9):
        await put(store, key, Stored(fence, broken))
        assert await one.refusal(chunk(2)) is Reason.SEQUENCE_STATE_INVALID
    await put(store, key, Stored(b"another fence", value))  # an older state under the fence of a newer one
    assert await one.refusal(chunk(2)) is Reason.SEQUENCE_STATE_INVALID
    assert last_of(await one.ask(chunk(5, start=True))) == 5
    assert one.counted("soloist_sequence_store_operations_total", operation="read", outcome="refused") == 6


@pytest.mark.parametrize("seal", [sealer, PlainSealer])
async def test_a_value_of_another_sequence_is_refused(store: MemoryStore, seal: Callable[[], Seal]) -> None:
    one = Replica(store, seal=seal())
    await one.ask(chunk(1, start=True))
    (mine,) = store.keys()
    await one.ask(chunk(7, start=True), client="other")
    (other,) = store.keys() - {mine}
    await put(store, mine, cast("Stored", await store.load(other)))
    assert await one.refusal(chunk(2)) is Reason.SEQUENCE_STATE_INVALID


async def test_servers_with_other_keys_or_none_refuse(store: MemoryStore, one: Replica) -> None:
    await one.ask(chunk(1, start=True))
    assert await Replica(store, seal=sealer(new_key(seals_from=0))).refusal(chunk(2)) is Reason.SEQUENCE_KEY_UNKNOWN
    plain = Replica(store, seal=PlainSealer())
    assert await plain.refusal(chunk(2)) is Reason.SEQUENCE_KEY_UNKNOWN
    await plain.ask(chunk(1, start=True))
    assert await one.refusal(chunk(2)) in (Reason.SEQUENCE_KEY_UNKNOWN, Reason.SEQUENCE_STATE_INVALID)


async def test_a_sequence_that_is_too_large_stays_as_it_was(store: MemoryStore, one: Replica) -> None:
    await one.ask(chunk(1, start=True, name="a"))
    small = Replica(store, max_bytes=600)
    long = chunk(*range(100), name="long")
    assert await small.refusal(long) is Reason.SEQUENCE_STATE_TOO_LARGE
    assert not small.published
    assert last_of(await small.ask(chunk(2, name="b"))) == 3
    assert last_of(await one.ask(long)) == 3 + sum(range(100))


async def test_an_old_sequence_has_ended_also_where_the_store_still_has_it(one: Replica, two: Replica) -> None:
    await one.ask(chunk(1, start=True, name="a"))
    two.now += 61
    assert await two.refusal(chunk(2)) is Reason.SEQUENCE_NOT_FOUND
    assert last_of(await two.ask(chunk(1, start=True, name="a"))) == 1
    assert len(two.published) == 1


class _Unsure(MemoryStore):
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


@pytest.mark.parametrize("fails", ["load", "before", "after"])
async def test_a_request_without_an_answer_of_the_store_can_be_sent_again_and_counts_once(fails: str) -> None:
    store = _Unsure()
    one, two = Replica(store), Replica(store)
    for number, request in enumerate(
        (chunk(1, start=True, name="a"), chunk(2, name="b"), chunk(3, end=True, name="c"))
    ):
        store.fails = fails
        assert await one.refusal(request) is Reason.SEQUENCE_STORE_UNAVAILABLE
        store.fails = ""
        assert last_of(await two.ask(request)) == (1, 3, 6)[number]
    assert not one.published
    operation = "read" if fails == "load" else "write"
    assert one.counted("soloist_sequence_store_operations_total", operation=operation, outcome="failed") == 3


async def test_ids_of_a_step_are_the_same_on_every_server(one: Replica, two: Replica) -> None:
    await one.ask(chunk(1, start=True))
    both = one.begin(chunk(2)), two.begin(chunk(2))
    await turns()
    for replica in (one, two):
        await replica.executor.finish_all()
    done = await asyncio.gather(*both, return_exceptions=True)
    assert [isinstance(each, ServiceError) for each in done] == [False, True]
    third = await two.ask(chunk(3))
    assert [each.first_frame for each in two.published] == [2]
    assert prediction_id(third) == two.published[0].id


async def put(store: MemoryStore, key: str, new: Stored) -> None:
    """Change what is stored, as somebody does who has no part in the protocol."""
    here = await store.load(key)
    if here is not None and here.fence == new.fence:  # a store takes the same fence for the same write
        assert await store.save(key, Stored(b"between", b""), expected=here.fence, seconds=60)
        here = await store.load(key)
    assert await store.save(key, new, expected=None if here is None else here.fence, seconds=60)
