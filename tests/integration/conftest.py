"""Fixtures of the integration tests: a strict server for all bad input, one whose model runs on command, and askers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from tests.graphs import Sums
from tests.integration.asking import Asker, asking
from tests.integration.gated import GatedServer, gated_server
from tests.integration.shop import Shop, shop_of
from tests.integration.strict import strict_server
from tests.servers import USUAL_TRANSPORT, RunningServer, running_server


@pytest.fixture(scope="session")
def strict_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RunningServer]]:
    """One server a transport, started when it is first asked for."""
    with ExitStack() as stack:
        yield cache(lambda chosen: stack.enter_context(strict_server(tmp_path_factory.mktemp("strict"), chosen)))


@pytest.fixture(scope="module")
def strict(request: pytest.FixtureRequest, strict_servers: Callable[[str], RunningServer]) -> RunningServer:
    """The server on the usual transport, or on both for what is marked with ON_BOTH."""
    return strict_servers(getattr(request, "param", USUAL_TRANSPORT))


@pytest.fixture(scope="module")
def asker(strict: RunningServer) -> Iterator[Asker]:
    with asking(strict.grpc) as asker:
        yield asker


@pytest.fixture
def gated(transport: str) -> Iterator[GatedServer]:
    with gated_server(transport) as server:
        yield server


@pytest.fixture
def gated_asker(gated: GatedServer) -> Iterator[Asker]:
    with asking(gated.grpc) as asker:
        yield asker


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    """Serve "sums" in two versions, so patiently that nothing is ended but what says so."""
    folder = tmp_path_factory.mktemp("fresh")
    Sums(name="sums").write(folder / "repository")
    Sums(name="sums").write(folder / "repository", version=2)
    with running_server(folder / "repository", folder, version_policy="all", transport=transport) as server:
        yield server


@pytest.fixture
def fresh_asker(fresh: RunningServer) -> Iterator[Asker]:
    with asking(fresh.grpc) as asker:
        yield asker


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[Shop]:
    with shop_of(tmp_path_factory.mktemp("shop"), transport) as shop:
        yield shop
