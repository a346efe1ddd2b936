"""Fixtures of the integration tests: a strict server for all bad input, one whose model runs on command, and askers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.asking import Asker, asking
from tests.integration.gated import GatedServer, gated_server
from tests.integration.strict import strict_server
from tests.servers import RunningServer


@pytest.fixture(scope="session")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with strict_server(tmp_path_factory.mktemp("strict")) as server:
        yield server


@pytest.fixture(scope="session")
def asker(strict: RunningServer) -> Iterator[Asker]:
    with asking(strict.grpc) as asker:
        yield asker


@pytest.fixture
def gated() -> Iterator[GatedServer]:
    with gated_server() as server:
        yield server


@pytest.fixture
def gated_asker(gated: GatedServer) -> Iterator[Asker]:
    with asking(gated.grpc) as asker:
        yield asker
