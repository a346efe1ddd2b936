"""Mosec: the frames' bytes as the body of a request, the last output's as the body of the answer."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from mosec import Server, Worker

from bench.peers.servers.model import Array, Model, arguments

_FEATURES = 12
_MODEL_VARIABLE, _MERGE_VARIABLE = "PEERS_MODEL", "PEERS_MERGE"
_MAX_BATCH, _WAIT_MILLISECONDS = 32, 2


class Alone(Worker):
    """Runs every sequence by itself."""

    def __init__(self) -> None:
        super().__init__()
        self._model = Model(Path(os.environ[_MODEL_VARIABLE]))

    def deserialize(self, data: bytes) -> Array:
        """Return the frames [T, C]."""
        return np.frombuffer(data, np.float32).reshape(-1, _FEATURES)

    def serialize(self, data: Array) -> bytes:
        """Return the last output's bytes."""
        return data.tobytes()

    def forward(self, data: Array) -> Array:
        """Return the last output [K]."""
        last_K: Array = self._model.whole(data)[-1]
        return last_K


class Merging(Alone):
    """Runs what has come within a time together. Mosec hands it over as a list, and leaves padding to its user."""

    def forward(self, data: list[Array]) -> list[Array]:  # type: ignore[override]  # Mosec: a list if it merges
        """Return the last output [K] of each."""
        return self._model.merged(data, with_lengths=os.environ[_MERGE_VARIABLE] == "with-lengths")


def main() -> None:
    """Serve until the process is ended."""
    options = arguments()
    os.environ[_MODEL_VARIABLE], os.environ[_MERGE_VARIABLE] = str(options.model), options.merge or ""
    sys.argv = [sys.argv[0], "--address", "127.0.0.1", "--port", str(options.port), "--log-level", "warning"]
    server = Server()
    if options.merge:
        server.append_worker(Merging, num=1, max_batch_size=_MAX_BATCH, max_wait_time=_WAIT_MILLISECONDS)
    else:
        server.append_worker(Alone, num=1)
    server.run()


if __name__ == "__main__":
    main()
