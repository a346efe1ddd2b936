"""The models of one server: their versions, states and signatures, which are requested once."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from soloist.client.connection import AsyncConnection, Connection
from soloist.client.frames import Array, Frames, needs_signature, to_model_frames
from soloist.client.retry import Attempts
from soloist.client.texts import utf8
from soloist.integers import int64
from soloist.v1 import model_pb2
from soloist.v1 import sequence_inference_pb2 as pb

NEWEST = 0
# A number, or a label like "canary".
Version = int | str


class ModelState(enum.StrEnum):
    """Whether a version of a model can be called."""

    UNKNOWN = "unknown"
    LOADING = "loading"
    READY = "ready"
    UNAVAILABLE = "unavailable"
    UNLOADING = "unloading"
    UNLOADED = "unloaded"


@dataclass(frozen=True, kw_only=True)
class ModelStatus:
    """One version of one model. A `control` exists to fail in a known way.

    `reason` says why it is not ready, or has a warning for the operator, such as a file that has changed.
    """

    name: str
    version: int
    state: ModelState
    reason: str
    control: bool = False

    @property
    def ready(self) -> bool:
        """Return whether it answers calls."""
        return self.state is ModelState.READY


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """A model's status, and its manifest (soloist.v1.Model); None if that could not be read."""

    status: ModelStatus
    manifest: model_pb2.Model | None


class _Signatures:
    """The known signatures of one server's models, so one for each client."""

    def __init__(self) -> None:
        self._signatures: dict[tuple[str, Version], model_pb2.Signature] = {}

    def forget(self, name: str, version: Version | None) -> None:
        """Forget a signature: frames were refused, so "newest" may be another version by now."""
        self._signatures.pop((name, version or NEWEST), None)

    def _keep(self, name: str, version: Version | None, response: pb.GetModelResponse) -> ModelInfo:
        info = model_info(response)
        if info.manifest is None:  # it may be readable by the next call
            self.forget(name, version)
        else:
            self._signatures[name, version or NEWEST] = info.manifest.signature
        return info

    def _has_to_ask(self, frames: Frames, name: str, version: Version | None) -> bool:
        return needs_signature(frames) and (name, version or NEWEST) not in self._signatures

    def _convert(self, frames: Frames, name: str, version: Version | None) -> Array:
        known = self._signatures.get((name, version or NEWEST)) if needs_signature(frames) else None
        return to_model_frames(frames, known)


class Catalogue(_Signatures):
    """The signatures, requested when frames need them and cached. Every method raises SoloistError."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def models(self, attempts: Attempts) -> list[ModelStatus]:
        """Ask the server for every version of every model."""
        response = self._connection.call(self._connection.inference.ListModels, pb.ListModelsRequest(), attempts)
        return [model_status(status) for status in response.models]

    def model(self, name: str, version: Version | None, attempts: Attempts) -> ModelInfo:
        """Ask the server what it knows of a model."""
        request = pb.GetModelRequest(**which(name, version))
        return self._keep(name, version, self._connection.call(self._connection.inference.GetModel, request, attempts))

    def convert(self, frames: Frames, name: str, version: Version | None, attempts: Attempts | None = None) -> Array:
        """Return the frames in the model's own type."""
        if self._has_to_ask(frames, name, version):
            self.model(name, version, attempts or self._connection.attempts(None))
        return self._convert(frames, name, version)


class AsyncCatalogue(_Signatures):
    """As Catalogue, for asyncio."""

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__()
        self._connection = connection

    async def models(self, attempts: Attempts) -> list[ModelStatus]:
        """Ask the server for every version of every model."""
        response = await self._connection.call(self._connection.inference.ListModels, pb.ListModelsRequest(), attempts)
        return [model_status(status) for status in response.models]

    async def model(self, name: str, version: Version | None, attempts: Attempts) -> ModelInfo:
        """Ask the server what it knows of a model."""
        request = pb.GetModelRequest(**which(name, version))
        response = await self._connection.call(self._connection.inference.GetModel, request, attempts)
        return self._keep(name, version, response)

    async def convert(
        self, frames: Frames, name: str, version: Version | None, attempts: Attempts | None = None
    ) -> Array:
        """Return the frames in the model's own type."""
        if self._has_to_ask(frames, name, version):
            await self.model(name, version, attempts or self._connection.attempts(None))
        return self._convert(frames, name, version)


def which(model: str, version: Version | None) -> Any:
    """Return a model and its version as the fields that every request has for them.

    Raises:
        ValueError: One of them is a text without a UTF-8 form, or the version is a number that no message can hold.
        TypeError: The version is neither a text nor an integer.

    """
    name = utf8("model", model)
    if isinstance(version, str):
        return {"model": name, "version_label": utf8("version", version)}
    return {"model": name, "version": NEWEST if version is None else int64("version", version)}


def model_status(status: pb.ModelStatus) -> ModelStatus:
    """Unpack the status of one version."""
    return ModelStatus(
        name=status.name,
        version=status.version,
        state=_STATES.get(status.state, ModelState.UNKNOWN),
        reason=status.reason,
        control=status.control,
    )


def model_info(response: pb.GetModelResponse) -> ModelInfo:
    """Unpack all that is known of one model."""
    manifest = response.model if response.HasField("model") else None
    return ModelInfo(status=model_status(response.status), manifest=manifest)


_STATES = {
    pb.MODEL_STATE_LOADING: ModelState.LOADING,
    pb.MODEL_STATE_READY: ModelState.READY,
    pb.MODEL_STATE_UNAVAILABLE: ModelState.UNAVAILABLE,
    pb.MODEL_STATE_UNLOADING: ModelState.UNLOADING,
    pb.MODEL_STATE_UNLOADED: ModelState.UNLOADED,
}
