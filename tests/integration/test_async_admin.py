"""What an operator does from an event loop, against a real server: the same as the blocking Admin does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.core.errors import Reason
from soloist import Admin, AsyncAdmin, ModelState, Rollout, SoloistError
from tests.graphs import Sums
from tests.integration.publishing import publish
from tests.servers import RunningServer, running_server

READY, UNLOADED = ModelState.READY, ModelState.UNLOADED


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    """Serve the newer of two versions, of a model for each test that changes one."""
    folder = tmp_path_factory.mktemp("kept")
    for name in ("moved", "spread"):
        for version in (1, 2):
            publish(folder / "repository", Sums(name=name), version)
    with running_server(folder / "repository", folder, transport=transport) as server:
        yield server


async def test_versions_come_and_go(kept: RunningServer) -> None:
    async with AsyncAdmin(kept.grpc) as admin:
        assert [each.state for each in await admin.index() if each.name == "moved"] == [UNLOADED, READY]
        assert [each.state for each in await admin.load("moved", 1)] == [READY, READY]
        assert [each.state for each in await admin.unload("moved")] == [UNLOADED, UNLOADED]
        assert [(each.version, each.state) for each in await admin.load("moved")] == [(1, UNLOADED), (2, READY)]
        with Admin(kept.grpc) as blocking:
            assert await admin.index() == blocking.index()


async def test_new_sequences_are_spread(kept: RunningServer) -> None:
    async with AsyncAdmin(kept.grpc) as admin:
        spread = await admin.spread("spread", labels={"stable": 1, "canary": 2}, canary_percent=12.5, shadow_version=2)
        assert spread == Rollout(labels={"canary": 2, "stable": 1}, canary_percent=12.5, shadow_version=2)
        with Admin(kept.grpc) as blocking:
            assert await admin.rollout("spread") == blocking.rollout("spread") == spread
        changed = await admin.spread("spread", labels={"canary": 0}, shadow_version=0)
        assert changed == Rollout(labels={"stable": 1}, canary_percent=12.5, shadow_version=0)


async def test_a_refusal_comes_out(kept: RunningServer) -> None:
    async with AsyncAdmin(kept.grpc) as admin:
        with pytest.raises(SoloistError) as caught:
            await admin.load("nobody")
    assert caught.value.reason == Reason.MODEL_NOT_FOUND.name
