"""Owns what tests of several processes ask: which process a connection is to, and which processes there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.integration.asking import Asker, asking, ones
from tests.servers import RunningServer

_TRIES = 64
# Digits of a prediction's id: those of its time, and those of the process that made it.
_TIME, _PROCESS = 12, 20


def process_of(prediction_id: str) -> str:
    """Return the part of an id that all answers of one process share."""
    return prediction_id[_TIME:_PROCESS]


@contextmanager
def asking_each(server: RunningServer, count: int = 2) -> Iterator[dict[str, Asker]]:
    """Yield a connection to each process, by the part of ids that is its own: the system chooses, so it is tried."""
    with ExitStack() as stack:
        found: dict[str, Asker] = {}
        for _ in range(_TRIES):
            asker = stack.enter_context(asking(server.grpc))
            found.setdefault(process_of(asker.predict(ones(1)).prediction_id), asker)
            if len(found) == count:
                break
        assert len(found) == count
        yield found


def members(server: RunningServer) -> set[int]:
    """Return the ids of the processes that serve: the children of the supervisor."""
    pid = server.process.pid
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def is_running(pid: int) -> bool:
    """Return whether a process is there, and isn't merely waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
