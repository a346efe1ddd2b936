"""The store in Redis or Valkey: a hash of fence and value under each key, written by one script and forgotten in time.

The script compares and writes in one step of the server, so of two writers that saw the same state one is refused,
however late it comes. A write that is sent again, because nobody knows whether it arrived, finds its own fence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from service.store.store import Stored, StoreError

if TYPE_CHECKING:
    from pathlib import Path

_PREFIX = "soloist:sequence:"
_FENCE, _VALUE = b"fence", b"value"
# KEYS: the sequence. ARGV: the fence that is expected ("": no sequence), the new one, the value, milliseconds.
_SAVE = """
local here = redis.call('HGET', KEYS[1], 'fence')
if here == ARGV[2] then return 1 end
if (here or '') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'fence', ARGV[2], 'value', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
"""
_MOST_CONNECTIONS = 64


@dataclass(frozen=True, kw_only=True)
class RedisAddress:
    """Where the store is, and what it asks for. A password in the URL is used as well."""

    url: str = field(repr=False)
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None


class RedisStore:
    """The sequences in one Redis or Valkey server. Every question has an answer within `timeout_seconds`, or fails."""

    def __init__(self, address: RedisAddress, *, timeout_seconds: float) -> None:
        """Create it without a connection.

        Raises:
            ValueError: the URL can't be read.

        """
        self._timeout_seconds = timeout_seconds
        options: dict[str, Any] = {} if address.password is None else {"password": address.password}
        if address.ca_file is not None:
            options["ssl_ca_certs"] = str(address.ca_file)
        pool = BlockingConnectionPool.from_url(
            address.url,
            max_connections=_MOST_CONNECTIONS,
            timeout=timeout_seconds,
            # The limit of the whole question is ours; a connection that has died while idle is made anew, once.
            socket_timeout=None,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 1),
            **options,
        )
        self._redis = Redis(connection_pool=pool)
        self._save = self._redis.register_script(_SAVE)

    async def load(self, key: str) -> Stored | None:
        """Return what is stored under a key, None if there is nothing.

        Raises:
            StoreError: the store didn't answer.

        """
        fence, value = await self._asked(self._redis.hmget(_PREFIX + key, [_FENCE, _VALUE]))
        return None if fence is None or value is None else Stored(fence, value)

    async def save(self, key: str, new: Stored, *, expected: bytes | None, seconds: float) -> bool:
        """Store `new` if the fence is `expected`, and return whether it is there now.

        Raises:
            StoreError: the store didn't answer.

        """
        arguments = (expected or b"", new.fence, new.value, max(1, round(seconds * 1000)))
        return bool(await self._asked(self._save(keys=[_PREFIX + key], args=arguments)))

    async def ping(self) -> None:
        """Ask whether it answers.

        Raises:
            StoreError: it doesn't.

        """
        await self._asked(self._redis.ping())

    async def close(self) -> None:
        """Close its connections."""
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    async def _asked(self, question: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await question
        except TimeoutError as error:
            raise StoreError(f"no answer within {self._timeout_seconds} s") from error
        except (RedisError, OSError) as error:
            raise StoreError(type(error).__name__) from error
