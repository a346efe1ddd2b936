"""File descriptors: as many as the system lets the process have, shared out so that none can take those of the rest."""

from __future__ import annotations

import resource
from pathlib import Path

# For HTTP, the models' and the log's files, and what is opened for a moment.
_RESERVED = 96
_MAX_CONNECTIONS = 2**31 - 1


def raise_limit() -> int:
    """Raise the process's limit of open files to what it may be; returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # a container may forbid it
            hard = soft
    return _MAX_CONNECTIONS if hard == resource.RLIM_INFINITY else hard


def max_connections(limit: int) -> int:
    """Return how many connections gRPC may take of `limit`; the rest is kept for everything else, at least a third."""
    return max(1, min(limit - _open_now() - _RESERVED, 2 * limit // 3, _MAX_CONNECTIONS))


def _open_now() -> int:
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        return 0
