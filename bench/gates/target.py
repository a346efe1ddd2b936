"""The server that the gates are tried on, and what is seen of it from outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc

from bench.load_generator.workload import Array, synthetic_sequences
from bench.server.metrics_page import MetricsPage
from bench.server.process import ServerProcess, serving
from soloist import Client
from soloist.oip import grpc_service_pb2, grpc_service_pb2_grpc

# Short, so that the bounds on time are seen.
IDLE_SECONDS = 2.0
_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.01
_MEBI = 2**20


class GateError(Exception):
    """The transport doesn't do what it has to; the text says what it did."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A server, a model of it that streams, and one sequence for it."""

    server: ServerProcess
    transport: str
    repository: Path
    log: Path
    model: str
    frames: Array

    @property
    def grpc(self) -> str:
        """Return where it listens for gRPC."""
        return self.server.grpc

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of one metric's samples."""
        return MetricsPage.read(self.server.http).total(name, **labels)

    def counted(self, api: str, code: str) -> int:
        """Return how many calls of an API ended with a code."""
        return int(self.total("soloist_requests_total", api=api, code=code))

    def sessions(self) -> int:
        """Return how many sessions are open."""
        return int(self.total("soloist_sessions_open"))

    def mebibytes(self) -> float:
        """Return the memory that the server takes."""
        return self.total("process_resident_memory_bytes") / _MEBI

    def peak_mebibytes(self, seconds: float) -> float:
        """Return the most memory that the server takes within a time."""
        until, peak = time.monotonic() + seconds, self.mebibytes()
        while time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
            peak = max(peak, self.mebibytes())
        return peak

    def cpu_share(self, seconds: float) -> float:
        """Return which share of a processor the server takes while nobody asks for anything."""
        before = self.server.cpu_seconds()
        time.sleep(seconds)
        return (self.server.cpu_seconds() - before) / seconds

    def answer(self, within_seconds: float) -> float:
        """Return how many milliseconds one call on a new connection took.

        Raises:
            GateError: it wasn't answered in time.

        """
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self.grpc, options=options) as channel:
            stub = grpc_service_pb2_grpc.GRPCInferenceServiceStub(channel)
            began = time.perf_counter()
            try:
                stub.ServerLive(grpc_service_pb2.ServerLiveRequest(), timeout=within_seconds)
            except grpc.RpcError as error:
                raise GateError(f"a call on another connection failed: {error.code().name}") from error
            return 1000 * (time.perf_counter() - began)


@contextmanager
def target(repository: Path, transport: str, log: Path) -> Iterator[Target]:
    """Serve a repository on a transport until the block ends. Raises ServerError and WorkloadError."""
    with TemporaryDirectory() as folder:
        settings = {
            "transport": transport,
            "prediction_log": f"{folder}/predictions.db",
            "session_idle_seconds": IDLE_SECONDS,
        }
        with serving(repository, settings, log=log) as server:
            with Client(server.grpc) as client:
                manifests = (client.model(status.name).manifest for status in client.models())
                manifest = next((each for each in manifests if each is not None and each.causal), None)
            if manifest is None:
                raise GateError("no model of the repository can stream")
            frames = synthetic_sequences(manifest, seed=0)[0]
            yield Target(
                server=server, transport=transport, repository=repository, log=log, model=manifest.name, frames=frames
            )


def require(holds: object, otherwise: str) -> None:
    """Raise GateError unless something holds."""
    if not holds:
        raise GateError(otherwise)


def eventually(holds: Callable[[], bool], otherwise: str, within_seconds: float = _PATIENCE_SECONDS) -> float:
    """Return after how many seconds something held; raise GateError if it didn't in time."""
    began = time.monotonic()
    while not holds():
        require(time.monotonic() < began + within_seconds, otherwise)
        time.sleep(_POLL_SECONDS)
    return time.monotonic() - began
