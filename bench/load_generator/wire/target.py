"""The part of a server that a load goes to: connections, the service, and what is known of the model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bench.load_generator.load import Api as ApiName
from bench.load_generator.load import Load, Transport
from bench.load_generator.wire.api import Api
from bench.load_generator.wire.connection import Connection
from bench.load_generator.wire.grpc_aio import grpc_aio_connection
from bench.load_generator.wire.httpunk import httpunk_connection
from bench.load_generator.wire.oip_api import OipApi, oip_manifest
from bench.load_generator.wire.own_api import OwnApi, own_manifest
from soloist.v1 import model_pb2


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a load goes to; without a manifest nothing is known of the model."""

    connections: list[Connection]
    api: Api
    manifest: model_pb2.Model | None


@asynccontextmanager
async def target_of(load: Load, *, connections: int = 1) -> AsyncIterator[Target]:
    """Connect. Raises SoloistError when the model can't be had, and WorkloadError when it can't be asked."""
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(_connection(load)) for _ in range(connections)]
        if load.api is ApiName.OIP:
            manifest = await oip_manifest(opened[0], load.model, load.timeout_seconds)
            yield Target(connections=opened, api=OipApi(load.model, manifest.signature.frames.name), manifest=manifest)
        else:
            known = await own_manifest(opened[0], load.model, load.timeout_seconds)
            yield Target(connections=opened, api=OwnApi(load.model), manifest=known)


def _connection(load: Load) -> AbstractAsyncContextManager[Connection]:
    if load.client is Transport.GRPC_AIO:
        return grpc_aio_connection(load.server, load.tls, load.token)
    return httpunk_connection(load.server)
