"""A server whose versions come and go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soloist import Admin, Client, ModelState
from tests.graphs import Sums
from tests.integration.asking import Asker, asking
from tests.integration.publishing import publish
from tests.servers import RunningServer, eventually, running_server

_POLL_SECONDS = 0.05
CHUNKS = np.random.default_rng(5).normal(size=(6, 3, 2)).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A server that looks at its repository all the time, and everybody who talks to it."""

    server: RunningServer
    client: Client
    admin: Admin
    asker: Asker

    def publish(self, name: str, version: int, *, gain: float = 1.0, features: int = 2) -> Path:
        return publish(self.server.repository, Sums(name=name, gain=gain, features=features), version)

    def begin(self, name: str, version: int = 1) -> None:
        """Publish a first version and wait until it answers."""
        self.publish(name, version)
        assert eventually(lambda: self.states(name) == {version: ModelState.READY})

    def states(self, name: str) -> dict[int, ModelState]:
        return {each.version: each.state for each in self.client.models() if each.name == name}

    def cause(self, name: str, version: int) -> str:
        return next(each.reason for each in self.client.models() if (each.name, each.version) == (name, version))

    def answers(self, name: str) -> int:
        return self.client.predict(name, CHUNKS[0]).version

    def shadow_steps(self, name: str) -> dict[str, int]:
        found = self.server.samples("soloist_shadow_steps_total")["soloist_shadow_steps_total"]
        labels = {"model": name, "version": "1"}.items()
        return {dict(key)["outcome"]: int(n) for key, n in found.items() if labels <= dict(key).items() and n}


@contextmanager
def shop_of(folder: Path, transport: str) -> Iterator[Shop]:
    """Open it in a folder, with one model."""
    publish(folder / "repository", Sums(name="always"), 1)
    with ExitStack() as stack:
        server = stack.enter_context(
            running_server(folder / "repository", folder, repository_poll_seconds=_POLL_SECONDS, transport=transport)
        )
        yield Shop(
            server=server,
            client=stack.enter_context(Client(server.grpc)),
            admin=stack.enter_context(Admin(server.grpc)),
            asker=stack.enter_context(asking(server.grpc)),
        )
