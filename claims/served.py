"""A repository of one trial: exported models, the graphs of the very files, and a gRPC server over them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt

from bench.server.process import serving
from claims.onnx_graph import export
from export.quantise import quantise_model
from export.quantise.model import Method
from models.data import Dataset
from models.training import Checkpoint
from service.engine.graph import Graph
from service.engine.session import open_session
from soloist import AsyncClient
from soloist.v1.model_pb2 import Model

Array = npt.NDArray[Any]
# One worker, so that what waits shares a run; controls share runs too, or they could not fail.
_SETTINGS = {"workers": 1, "batch_uncertified": True}


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Outputs [time, class] of each sequence, and the mean number of sequences in the run of one."""

    outputs: list[Array]
    batch_size: float


@dataclass(frozen=True, kw_only=True)
class Repository:
    """Exported models by name, each in version 1."""

    folder: Path
    manifests: dict[str, Model] = field(default_factory=dict)

    def add(self, name: str, checkpoint: Checkpoint, dataset: Dataset, *, norm: str = "") -> Graph:
        """Export a checkpoint, certify it, and return the graph of the file. Raises ExportError."""
        self.manifests[name] = export(checkpoint, self.folder, name, dataset, norm=norm)
        return self.graph(name)

    def quantise(self, source: str, name: str, method: Method, dataset: Dataset) -> Graph:
        """Add the int8 form of a model that is there, and return the graph of the file. Raises ExportError."""
        self.manifests[name] = quantise_model(
            self._file(source), self.folder, method=method, dataset=dataset, name=name, version=1
        )
        return self.graph(name)

    def graph(self, name: str) -> Graph:
        """Return the graph of the file that is served."""
        return Graph(open_session(self._file(name).read_bytes()), self.manifests[name].signature)

    @contextmanager
    def server(self, settings: Mapping[str, object] | None = None) -> Iterator[str]:
        """Serve everything over gRPC until the block ends, and return the address."""
        log = self.folder.with_name("server.log")  # controls fail the live check, and are meant to
        with serving(self.folder, {**_SETTINGS, **(settings or {})}, log=log) as process:
            yield process.grpc

    def _file(self, name: str) -> Path:
        return self.folder / name / "1" / "model.onnx"


def one_by_one(target: str, name: str, sequences: Sequence[Array]) -> Answers:
    """Ask a server for each sequence while nothing else is under way."""
    return asyncio.run(_ask(target, name, sequences, at_once=1))


def at_once(target: str, name: str, sequences: Sequence[Array]) -> Answers:
    """Ask a server for all sequences at the same time."""
    return asyncio.run(_ask(target, name, sequences, at_once=len(sequences)))


async def _ask(target: str, name: str, sequences: Sequence[Array], *, at_once: int) -> Answers:
    gate = asyncio.Semaphore(at_once)
    async with AsyncClient(target, timeout_seconds=120) as client:

        async def ask(frames: Array) -> tuple[Array, int]:
            async with gate:
                answer = await client.predict(name, frames, every_frame=True)
            return answer.outputs, answer.batch_size

        answers = await asyncio.gather(*(ask(frames) for frames in sequences))
    sizes = [size for _, size in answers]
    return Answers(outputs=[outputs for outputs, _ in answers], batch_size=sum(sizes) / len(sizes))
