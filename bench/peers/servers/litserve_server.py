"""LitServe: frames and the last output as JSON."""

from __future__ import annotations

from pathlib import Path

import litserve
import numpy as np

from bench.peers.servers.model import Array, Model, arguments


class Served(litserve.LitAPI):
    """The model as LitServe calls it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Load it."""
        self._model = Model(self._file)

    # LitServe hands JSON over only where nothing is annotated.
    def decode_request(self, request):  # type: ignore[no-untyped-def]
        """Return the frames [T, C]."""
        return np.array(request["frames"], np.float32)

    def predict(self, frames_TC: Array) -> Array:
        """Return the last output [K]."""
        last_K: Array = self._model.whole(frames_TC)[-1]
        return last_K

    def encode_response(self, output_K):  # type: ignore[no-untyped-def]
        """Return the answer."""
        return {"outputs": output_K.tolist()}


def main() -> None:
    """Serve until the process is ended."""
    options = arguments()
    server = litserve.LitServer(Served(options.model), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=options.port, generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    main()
