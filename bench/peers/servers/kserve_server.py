"""KServe's Python server: the Open Inference Protocol over gRPC, without its log of every request."""

from __future__ import annotations

import logging
from typing import Any

import kserve

from bench.peers.servers.model import Model, arguments, name_of


class Served(kserve.Model):
    """The model as KServe calls it."""

    def __init__(self, name: str, model: Model) -> None:
        super().__init__(name)
        self._model = model
        self.ready = True

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:  # noqa: ARG002
        """Return the outputs of every frame."""
        outputs_BTK = self._model.whole(payload.inputs[0].as_numpy()[0])[None]
        output = kserve.InferOutput(name="outputs", shape=list(outputs_BTK.shape), datatype="FP32")
        output.set_data_from_numpy(outputs_BTK, binary_data=True)
        return kserve.InferResponse(response_id=payload.id or "", model_name=self.name, infer_outputs=[output])


def main() -> None:
    """Serve until the process is ended."""
    options = arguments()
    server = kserve.ModelServer(http_port=options.http_port, grpc_port=options.port, workers=1, access_log_format=None)
    logging.disable(logging.WARNING)
    server.start([Served(name_of(options.model), Model(options.model))])


if __name__ == "__main__":
    main()
