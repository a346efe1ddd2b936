"""Stored sequences that a server can't continue: of another version, file, machine, key, or changed in the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from service.core.errors import Reason
from service.sealing.keys_file import new_key
from service.sealing.plain import PlainSealer
from service.serving import sequence_records
from service.serving.sequence_records import Seal
from service.store.memory_store import MemoryStore
from service.store.store import Stored
from tests.servables import GatedRunner, servable
from tests.unit.service.oip.stored_replica import Replica, chunk, last_of, prediction_id, put, sealer


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
