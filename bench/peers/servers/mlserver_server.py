"""MLServer without processes of its own for models: the Open Inference Protocol over gRPC."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

import mlserver
from mlserver.codecs import NumpyCodec

from bench.peers.servers.model import Model, arguments, name_of

_MODEL_VARIABLE = "PEERS_MODEL"


class Served(mlserver.MLModel):
    """The model as MLServer calls it."""

    async def load(self) -> bool:
        """Load it."""
        self._model = Model(Path(os.environ[_MODEL_VARIABLE]))
        return True

    async def predict(self, payload: Any) -> Any:
        """Return the outputs of every frame."""
        outputs_BTK = self._model.whole(NumpyCodec.decode_input(payload.inputs[0])[0])[None]
        output = NumpyCodec.encode_output("outputs", outputs_BTK)
        return mlserver.types.InferenceResponse(model_name=self.name, outputs=[output])


async def main() -> None:
    """Serve until the process is ended."""
    options = arguments()
    os.environ[_MODEL_VARIABLE] = str(options.model)
    settings = mlserver.Settings(
        host="127.0.0.1",
        http_port=options.http_port,
        grpc_port=options.port,
        parallel_workers=0,
        metrics_endpoint=None,
        debug=False,
    )
    server = mlserver.MLServer(settings)
    model = mlserver.ModelSettings(name=name_of(options.model), implementation=f"{Served.__module__}.Served")
    logging.disable(logging.WARNING)
    await server.start([model])


if __name__ == "__main__":
    from bench.peers.servers.mlserver_server import main as imported  # the implementation's module, not __main__

    asyncio.run(imported())
