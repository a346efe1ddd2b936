"""A server without a network: its parts and handlers as they are, called with bytes from memory."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import structlog

from service.api.methods import Method
from service.api.v1.sequence_inference import sequence_inference
from service.app.assembly import Base, Executors, Parts, assembled
from service.app.limits import call_limits
from service.app.metrics import Metrics, new_registry
from service.app.settings import Settings, load_settings
from service.app.spared import spare_what_is_loaded
from service.core.failures import Failures
from service.core.health import API, Health
from service.serving.inference import Serving
from service.transport.active_calls import ActiveCalls
from service.transport.boundary import Boundary
from service.transport.grpc_adapter import GrpcAdapter

# As `soloist serve` sets it.
_SWITCH_SECONDS = 0.0001


class MemoryContext:
    """What grpc.aio offers a handler, for one call whose messages are in memory.

    Each is read after the answer to the one before was written, and after a turn of the event loop, as if it had
    arrived then.
    """

    def __init__(self, peer: str, messages: Sequence[bytes]) -> None:
        self.answers = 0
        self._peer = peer
        self._messages = iter(messages)
        self._read_count = 0
        self._reader: asyncio.Future[None] | None = None

    def peer(self) -> str:
        """Return the caller's address."""
        return self._peer

    def auth_context(self) -> dict[str, list[bytes]]:
        """Return that there is no certificate."""
        return {}

    def time_remaining(self) -> None:
        """Return that there is no deadline."""

    def invocation_metadata(self) -> tuple[()]:
        """Return no metadata."""
        return ()

    async def read(self) -> Any:
        """Return the next message."""
        await asyncio.sleep(0)
        while self.answers < self._read_count:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        message = next(self._messages, grpc.aio.EOF)
        self._read_count += message is not grpc.aio.EOF
        return message

    async def write(self, _raw: bytes) -> None:
        """Count an answer."""
        self.answers += 1
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def abort_with_status(self, status: Any) -> None:
        """End the call: a bench that is refused measures nothing."""
        raise RuntimeError(f"the call was refused: {status.details}")


@dataclass(frozen=True, kw_only=True)
class _Details:
    method: str
    invocation_metadata: tuple[()] = ()


@dataclass(frozen=True, kw_only=True)
class MemoryServer:
    """The parts of a server that is ready."""

    settings: Settings
    parts: Parts

    def handler(self, name: str, serving: Serving, change: Callable[[Method], Method] = lambda method: method) -> Any:
        """Return the handler of a method of our own API on some parts, as grpc.aio would call it."""
        adapter = GrpcAdapter(
            Boundary(ActiveCalls(), serving.recorder), call_limits(self.settings), serving.batcher.on_the_way
        )
        methods = [change(method) for method in sequence_inference(serving, self.parts.comparisons)]
        found: Any = adapter.service(API, methods).service(_Details(method=f"/{API}/{name}"))  # type: ignore[arg-type]
        return found.stream_unary or found.stream_stream


@asynccontextmanager
async def memory_server(repository: Path, **settings: object) -> AsyncIterator[MemoryServer]:
    """Load a repository and yield the parts of its server, until the block ends."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))  # warnings
    loaded = load_settings({"repository": str(repository), **settings})
    registry = new_registry()
    base = Base(settings=loaded, metrics=Metrics(registry), health=Health(), failures=Failures(registry), trials=None)
    with _switching_soon(), ThreadPoolExecutor(loaded.workers) as engine, ThreadPoolExecutor(2) as others:
        executors = Executors(engine=engine, comparison=others, decoder=others)
        with assembled(base, executors) as parts:
            await parts.models.start()
            spare_what_is_loaded()
            yield MemoryServer(settings=loaded, parts=parts)
            parts.models.stop()


@contextmanager
def _switching_soon() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
