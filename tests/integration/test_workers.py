"""How many runs are under way at once: as many as there are processors that the server may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.app.process_resources import cpu_quota
from tests.graphs import Sums
from tests.servers import SERVE, RunningServer, running_server

# A program that binds itself to some processors and then becomes another.
BOUND = "import os, sys; os.sched_setaffinity(0, {processors}); os.execv(sys.argv[1], sys.argv[1:])"
pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")


def workers(server: RunningServer) -> float:
    return server.samples("soloist_workers")["soloist_workers"][()]


def bound_to(processors: set[int]) -> tuple[str, ...]:
    return (SERVE[0], "-c", BOUND.format(processors=processors), *SERVE)


def test_workers_follow_the_processors_that_may_be_used(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    usable = sorted(os.sched_getaffinity(0))
    with running_server(tmp_path / "repository", tmp_path, program=bound_to({usable[0]})) as server:
        assert workers(server) == 1
    with running_server(tmp_path / "repository", tmp_path, program=bound_to({usable[0]}), workers=3) as server:
        assert workers(server) == 3
    with running_server(tmp_path / "repository", tmp_path) as server:
        assert workers(server) <= len(usable)
        if cpu_quota() > len(usable):
            assert workers(server) == len(usable)
