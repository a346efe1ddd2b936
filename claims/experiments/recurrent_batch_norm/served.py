"""The answers of many versions of a model, through ONNX Runtime and through a gRPC server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.server.process import serving
from claims.onnx_graph import export, graph_of
from export.accuracy import answers
from models.data import Split, load
from models.training import Checkpoint
from service.engine.graph import Graph
from service.engine.runner import Row, Runner
from service.engine.session import open_session
from soloist import Client
from soloist.v1.certificate_pb2 import VERDICT_BITWISE
from soloist.v1.model_pb2 import Model

Logits = npt.NDArray[np.float32]  # [sequences, classes]


@dataclass(frozen=True, kw_only=True)
class Version:
    """A checkpoint, and what it is served as where that isn't the normaliser it was trained with."""

    checkpoint: Checkpoint
    norm: str = ""

    def graph(self) -> Graph:
        """Return its graph, as an export has it."""
        return graph_of((self.checkpoint.served_as(self.norm) if self.norm else self.checkpoint).model())


@dataclass(frozen=True, kw_only=True)
class Repository:
    """Exported versions, each a model by name."""

    folder: Path
    manifests: dict[str, Model] = field(default_factory=dict)

    def add(self, name: str, version: Version) -> Graph:
        """Export, certify, and return the graph of the very file that is served."""
        described = export(version.checkpoint, self.folder, name, load("digits"), norm=version.norm)
        self.manifests[name] = described
        content = (self.folder / name / "1" / "model.onnx").read_bytes()
        return Graph(open_session(content), described.signature)

    def certified(self, name: str) -> bool:
        """Return whether all that was certified of a model keeps its bits."""
        return all(each.verdict == VERDICT_BITWISE for each in self.manifests[name].certificate.verdicts)

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Serve everything over gRPC, and return a client."""
        with serving(self.folder, {}) as server, Client(server.grpc) as client:
            yield client


def alone(graph: Graph, buckets: Mapping[str, Split]) -> dict[str, Logits]:
    """Return the answers to sequences asked one by one, by bucket."""
    return {name: answers(graph, split) if len(split) else _none(graph) for name, split in buckets.items()}


def together(graph: Graph, buckets: Mapping[str, Split]) -> dict[str, Logits]:
    """Return the answers to sequences where each bucket is one batch."""
    runner = Runner(graph)
    rows = {
        name: [Row(frames=frames, states=runner.initial_states()) for frames in split.sequences]
        for name, split in buckets.items()
    }
    return {
        name: np.stack([each.outputs[-1] for each in runner.run_rows(batch)]) if batch else _none(graph)
        for name, batch in rows.items()
    }


def over_grpc(client: Client, name: str, buckets: Mapping[str, Split]) -> dict[str, Logits]:
    """Return a server's answers to sequences asked one by one, by bucket."""
    return {
        bucket: np.array([client.predict(name, frames).outputs for frames in split.sequences])
        for bucket, split in buckets.items()
    }


def _none(graph: Graph) -> Logits:
    return np.zeros((0, graph.signature.outputs.shape[-1]), dtype=np.float32)
