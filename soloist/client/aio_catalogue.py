"""What the models of one server take: asked for once, and frames converted accordingly; for asyncio."""

from __future__ import annotations

from soloist.client import requests
from soloist.client.aio_connection import AsyncConnection
from soloist.client.frames import Frames, needs_signature, to_model_frames
from soloist.client.results import ModelInfo, ModelStatus, model_info, model_status
from soloist.client.retry import Attempts
from soloist.client.tensors import Array
from soloist.v1 import sequence_inference_pb2 as pb


class AsyncCatalogue:
    """Looks at a model when frames come that need it, and keeps what it saw."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._signatures = requests.Signatures()

    async def models(self, attempts: Attempts) -> list[ModelStatus]:
        """Ask the server for every version of every model."""
        response = await self._connection.call(self._connection.stub.ListModels, pb.ListModelsRequest(), attempts)
        return [model_status(status) for status in response.models]

    async def model(self, name: str, version: requests.Version | None, attempts: Attempts) -> ModelInfo:
        """Ask the server what it knows of a model."""
        request = requests.get_model_request(name, version)
        info = model_info(await self._connection.call(self._connection.stub.GetModel, request, attempts))
        self._signatures.keep(name, version, info.manifest)
        return info

    async def convert(self, frames: Frames, name: str, version: requests.Version | None, attempts: Attempts) -> Array:
        """Give the frames in the model's own type."""
        if not needs_signature(frames):
            return to_model_frames(frames, None)
        if not self._signatures.known(name, version):
            await self.model(name, version, attempts)
        return to_model_frames(frames, self._signatures.get(name, version))

    def forget(self, name: str, version: requests.Version | None) -> None:
        """Look again next time."""
        self._signatures.forget(name, version)
