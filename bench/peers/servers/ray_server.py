"""Ray Serve: the frames' bytes as the body of a request, the last output's as the body of the answer."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray import serve

from bench.peers.servers.model import Model, arguments

_FEATURES = 12


@serve.deployment(num_replicas=1, max_ongoing_requests=100)
class Served:
    """The model as Ray Serve calls it."""

    def __init__(self, file: Path) -> None:
        self._model = Model(file)

    async def __call__(self, request: Any) -> Any:
        """Return the last output."""
        from starlette.responses import Response  # it is sent to another process, which doesn't know this module's

        frames_TC = np.frombuffer(await request.body(), np.float32).reshape(-1, _FEATURES)
        return Response(self._model.whole(frames_TC)[-1].tobytes())


def main() -> None:
    """Serve until the process is ended."""
    options = arguments()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    here = str(Path.cwd())  # a folder that is removed after the run
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, configure_logging=False, _temp_dir=here)
    serve.start(http_options={"host": "127.0.0.1", "port": options.port})
    deployment: Any = Served
    serve.run(deployment.bind(options.model), route_prefix="/", logging_config={"enable_access_log": False})
    ended.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
