"""What the models of one server take: asked for once, and frames converted accordingly; blocking."""

from __future__ import annotations

from soloist.client import requests
from soloist.client.connection import Connection
from soloist.client.frames import Frames, needs_signature, to_model_frames
from soloist.client.results import ModelInfo, ModelStatus, model_info, model_status
from soloist.client.retry import Attempts
from soloist.client.tensors import Array
from soloist.v1 import sequence_inference_pb2 as pb


class Catalogue:
    """Looks at a model when frames come that need it, and keeps what it saw."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._signatures = requests.Signatures()

    def models(self, attempts: Attempts) -> list[ModelStatus]:
        """Ask the server for every version of every model."""
        response = self._connection.call(self._connection.stub.ListModels, pb.ListModelsRequest(), attempts)
        return [model_status(status) for status in response.models]

    def model(self, name: str, version: requests.Version | None, attempts: Attempts) -> ModelInfo:
        """Ask the server what it knows of a model."""
        request = requests.get_model_request(name, version)
        info = model_info(self._connection.call(self._connection.stub.GetModel, request, attempts))
        self._signatures.keep(name, version, info.manifest)
        return info

    def convert(self, frames: Frames, name: str, version: requests.Version | None, attempts: Attempts) -> Array:
        """Give the frames in the model's own type."""
        if not needs_signature(frames):
            return to_model_frames(frames, None)
        if not self._signatures.known(name, version):
            self.model(name, version, attempts)
        return to_model_frames(frames, self._signatures.get(name, version))

    def forget(self, name: str, version: requests.Version | None) -> None:
        """Look again next time."""
        self._signatures.forget(name, version)
