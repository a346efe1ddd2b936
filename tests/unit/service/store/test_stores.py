"""What every store of sequences does, in Redis and in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trustme

from service.store.memory_store import MemoryStore
from service.store.redis_store import RedisAddress, RedisStore
from service.store.store import SequenceStore, Stored, StoreError
from tests.redis_process import RedisProcess, free_port, running_redis

LONG = 60.0
WORD = "p"
FIRST, SECOND, OTHER = Stored(b"1", b"a\x00\xff"), Stored(b"2", b""), Stored(b"3", b"c")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with running_redis(tmp_path_factory.mktemp("redis")) as process:
        yield process


@pytest.fixture(params=["redis", "memory"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[SequenceStore]:
    kept: SequenceStore = MemoryStore()
    if request.param == "redis":
        process: RedisProcess = request.getfixturevalue("redis")
        process.command("FLUSHALL")
        kept = RedisStore(RedisAddress(url=process.url), timeout_seconds=5)
    yield kept
    await kept.close()


async def test_what_was_saved_is_loaded(store: SequenceStore) -> None:
    assert await store.load("key") is None
    assert await store.save("key", FIRST, expected=None, seconds=LONG)
    assert await store.load("key") == FIRST
    assert await store.save("key", SECOND, expected=FIRST.fence, seconds=LONG)
    assert await store.load("key") == SECOND
    assert await store.load("another key") is None


async def test_of_two_that_saw_the_same_state_one_is_refused(store: SequenceStore) -> None:
    assert await store.save("key", FIRST, expected=None, seconds=LONG)
    assert not await store.save("key", OTHER, expected=None, seconds=LONG)
    both = (store.save("key", new, expected=FIRST.fence, seconds=LONG) for new in (SECOND, OTHER))
    assert sorted(await asyncio.gather(*both)) == [False, True]


async def test_a_write_that_comes_twice_is_one(store: SequenceStore) -> None:
    for _ in range(2):
        assert await store.save("key", FIRST, expected=None, seconds=LONG)
    for _ in range(2):
        assert await store.save("key", SECOND, expected=FIRST.fence, seconds=LONG)
    assert await store.load("key") == SECOND


async def test_who_expects_a_state_that_is_gone_is_refused(store: SequenceStore) -> None:
    assert not await store.save("key", SECOND, expected=FIRST.fence, seconds=LONG)
    assert await store.load("key") is None


async def test_what_nobody_writes_again_is_forgotten(store: SequenceStore) -> None:
    assert await store.save("key", FIRST, expected=None, seconds=0.001)
    give_up = time.monotonic() + 10
    while await store.load("key") is not None:
        assert time.monotonic() < give_up
    assert not await store.save("key", SECOND, expected=FIRST.fence, seconds=LONG)


async def test_nobody_there_is_an_error_and_a_connection_that_died_is_made_again(tmp_path: Path) -> None:
    with running_redis(tmp_path) as process:
        store = RedisStore(RedisAddress(url=process.url), timeout_seconds=5)
        await store.ping()
        process.kill()
        for asked in (store.ping(), store.load("key"), store.save("key", FIRST, expected=None, seconds=LONG)):
            with pytest.raises(StoreError):
                await asked
        process.start()
        assert await store.save("key", FIRST, expected=None, seconds=LONG)
        assert await store.load("key") == FIRST
        await store.close()


async def test_the_store_may_have_tls_a_password_and_a_socket(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    certificate, ca, wrong = authority.issue_cert("127.0.0.1"), tmp_path / "ca.pem", tmp_path / "wrong.pem"
    authority.cert_pem.write_to_path(ca)
    other.cert_pem.write_to_path(wrong)
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    files = ("--tls-cert-file", str(tmp_path / "cert.pem"), "--tls-key-file", str(tmp_path / "key.pem"))
    port, socket = free_port(), tmp_path / "socket"
    options = (
        "--tls-port",
        str(port),
        "--tls-auth-clients",
        "no",
        *files,
        "--requirepass",
        "p",
        "--unixsocket",
        socket,
    )
    with running_redis(tmp_path, *map(str, options)) as process:
        secure = f"rediss://127.0.0.1:{port}/0"
        for address, answers in (
            (RedisAddress(url=secure, password=WORD, ca_file=ca), True),
            (RedisAddress(url=secure, password=WORD, ca_file=wrong), False),
            (RedisAddress(url=secure, password=WORD), False),
            (RedisAddress(url=secure, ca_file=ca), False),
            (RedisAddress(url=f"unix://{socket}?db=1", password=WORD), True),
            (RedisAddress(url=process.url.replace("//", "//:p@")), True),
        ):
            store = RedisStore(address, timeout_seconds=5)
            assert await _answers(store) == answers, address
            await store.close()


async def _answers(store: SequenceStore) -> bool:
    try:
        return await store.save("key", FIRST, expected=None, seconds=LONG)
    except StoreError:
        return False


async def test_a_store_that_is_silent_is_an_error_in_time() -> None:
    left = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the store's client has gone
        writer.close()
        left.set()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        store = RedisStore(RedisAddress(url=f"redis://127.0.0.1:{port}/0"), timeout_seconds=0.05)
        with pytest.raises(StoreError, match=r"0\.05 s"):
            await store.ping()
        await store.close()
        await left.wait()
