"""A peer's process: started on the server's core, waited for until its first right answer, and stopped for a while."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.cores import cores
from bench.peers import process_tree
from bench.peers.apis import Api
from bench.peers.catalogue import Peer
from bench.peers.environments import PeerError, last_line
from bench.peers.workload import Workload
from bench.raw_client.failure import RawCallError
from bench.server.process import server_environment

_ROOT = Path(__file__).parents[2]
_START_SECONDS = 120.0
_ANSWER_SECONDS = 10.0
_POLL_SECONDS = 0.01
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where peers run: on which cores, with which model, and which folder takes what they write."""

    server_cores: set[int]
    client_cores: set[int]
    repository: Path
    model: str
    folder: Path

    @property
    def file(self) -> Path:
        """Return the model's file."""
        return self.repository / self.model / "1" / "model.onnx"

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a peer's process: no threads, no proxies, and a home folder of its own."""
        home = self.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in server_environment({}).items() if not name.lower().endswith("_proxy")}
        own = {"HOME": str(home), "PYTHONPATH": str(_ROOT), "ORT_DISABLE_TELEMETRY": "1"}
        return {**kept, **own, **dict.fromkeys(_ONE_THREAD, "1"), **(more or {})}


@dataclass(frozen=True, kw_only=True)
class RunningPeer:
    """A peer that answers. `ready_seconds` is from its start to its first right answer."""

    peer: Peer
    process: subprocess.Popen[bytes]
    port: int
    http_port: int
    ready_seconds: float
    resident_mebibytes: float

    @property
    def grpc_address(self) -> str:
        """Return where it takes streams."""
        return f"127.0.0.1:{self.port}"

    def address(self, api: Api) -> str:
        """Return where it is asked in this way."""
        return _address(self.peer, api, self.port, self.http_port)

    def processor_seconds(self) -> float:
        """Return the processor time that it has used."""
        return process_tree.processor_seconds(self.process.pid)

    def pause(self) -> None:
        """Let it and its processes use no processor time."""
        process_tree.send(process_tree.tree(self.process.pid), signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        process_tree.send(process_tree.tree(self.process.pid), signal.SIGCONT)


@contextmanager
def started(peer: Peer, python: Path, place: Place, workload: Workload) -> Iterator[RunningPeer]:
    """Start a peer; it is gone after the block.

    Raises:
        PeerError: it ends, or gives no right answer in time.

    """
    port, http_port = _free_port(), _free_port()
    facts = {"model": place.file, "repository": place.repository, "port": port, "http_port": http_port}
    command = [str(python), *(argument.format(**facts) for argument in peer.arguments)]
    log = place.folder / f"{peer.name}.log"
    began = time.perf_counter()
    with log.open("w") as output, cores(place.server_cores):
        process = subprocess.Popen(  # noqa: S603  # from our own list
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=place.environment(peer.environment),
            cwd=place.folder,
            start_new_session=True,
        )
    try:
        _await_right_answer(peer, process, (port, http_port), place, workload, log)
        yield RunningPeer(
            peer=peer,
            process=process,
            port=port,
            http_port=http_port,
            ready_seconds=time.perf_counter() - began,
            resident_mebibytes=process_tree.resident_mebibytes(process.pid),
        )
    finally:
        process_tree.end(process_tree.tree(process.pid))
        process.wait()


def _await_right_answer(
    peer: Peer,
    process: subprocess.Popen[bytes],
    ports: tuple[int, int],
    place: Place,
    workload: Workload,
    log: Path,
) -> None:
    api = next(iter(peer.unary.values()))
    address = _address(peer, api, *ports)
    request = api.encode(place.model, address, workload.whole[0])

    async def ask() -> bytes:
        async with asyncio.timeout(_ANSWER_SECONDS), api.callers(address, 1) as (caller,):
            return api.last(await caller(request), workload.classes)

    until = time.monotonic() + _START_SECONDS
    why = "it doesn't answer"
    while time.monotonic() < until:
        if process.poll() is not None:
            raise PeerError(f"it ended with exit code {process.returncode}: {last_line(log)} ({log})")
        try:
            if asyncio.run(ask()) == workload.last[0]:
                return
            why = "its first answer is wrong"
        except (RawCallError, TimeoutError) as error:
            why = str(error) or "its first answer takes too long"
        time.sleep(_POLL_SECONDS)
    raise PeerError(f"not ready after {_START_SECONDS:g} s: {why}; {last_line(log)} ({log})")


def _address(peer: Peer, api: Api, port: int, http_port: int) -> str:
    return f"127.0.0.1:{http_port if peer.two_ports and api.grpc_path is None else port}"


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
