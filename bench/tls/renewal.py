"""Certificates that are renewed under open streams: which streams end, which answers differ, what new callers get."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.load_generator.workload import synthetic_sequences
from bench.tls.site import Site
from soloist import AsyncClient, AsyncStream, Client, SoloistError

if TYPE_CHECKING:
    from bench.load_generator.workload import Array

_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.02
# Of a model that is asked about: one chunk before the first renewal, and one after each.
_CHUNK_FRAMES = 4


@dataclass(kw_only=True)
class Renewed:
    """What came of a run. Each port of a renewal is a chance to be late; times are until both ports show it."""

    streams: int
    renewals: int
    dropped: int = 0
    changed: int = 0
    answers: int = 0
    late: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Return whether no stream ended, no answer differed, and every renewal was taken up."""
        return not (self.dropped or self.changed or self.late)


async def renew_under_streams(site: Site, model: str, *, streams: int, renewals: int) -> Renewed:
    """Open streams, each over a connection of its own, and renew the certificates again and again between chunks.

    Raises:
        SoloistError: the model can't be asked.
        WorkloadError: no frames can be made up for it.

    """
    result = Renewed(streams=streams, renewals=renewals)
    frames, expected = await asyncio.to_thread(_reference, site, model, renewals)
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(streams):
            client = await stack.enter_async_context(AsyncClient(site.caller.target, tls=site.caller.tls))
            opened.append(await stack.enter_async_context(client.stream(model, every_frame=True)))
        left = await _send(opened, frames, expected, 0, result)
        for renewal in range(1, renewals + 1):
            await asyncio.to_thread(_renew, site, result)
            left = await _send(left, frames, expected, renewal, result)
    return result


def _reference(site: Site, model: str, renewals: int) -> tuple[Array, Array]:
    """Return a sequence, and the outputs of every frame of it when it is asked about whole."""
    with Client(site.caller.target, tls=site.caller.tls) as client:
        manifest = client.model(model).manifest
        assert manifest is not None  # noqa: S101  # without one there is a SoloistError
        length = _CHUNK_FRAMES * (renewals + 1)
        frames = synthetic_sequences(manifest, seed=0, frame_counts=(length, length))[0]
        return frames, client.predict(model, frames, every_frame=True).outputs


async def _send(
    opened: list[AsyncStream], frames: Array, expected: Array, turn: int, result: Renewed
) -> list[AsyncStream]:
    """Send one chunk on every stream; return those that have answered."""
    part = slice(_CHUNK_FRAMES * turn, _CHUNK_FRAMES * (turn + 1))

    async def send(stream: AsyncStream) -> bool:
        try:
            answer = await stream.send(frames[part])
        except SoloistError:
            result.dropped += 1
            return False
        result.answers += 1
        result.changed += answer.outputs.tobytes() != expected[part].tobytes()
        return True

    answered = await asyncio.gather(*map(send, opened))
    return [stream for stream, is_there in zip(opened, answered, strict=True) if is_there]


def _renew(site: Site, result: Renewed) -> None:
    files, caller = site.authority.server(), site.caller
    shown, began = {ssl.PEM_cert_to_DER_cert(files.certificate.decode())}, time.monotonic()
    site.mounted.swap(files)
    while {caller.served(caller.server.grpc), caller.served(caller.server.http)} != shown:
        if time.monotonic() > began + _PATIENCE_SECONDS:
            result.late += 1
            return
        time.sleep(_POLL_SECONDS)
    result.seconds.append(time.monotonic() - began)
