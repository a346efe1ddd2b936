"""The run: every peer is started and stopped for a while, and then they are measured by turns, round after round."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.cores import cores
from bench.peers.catalogue import LEFT_OUT, LOOP, REFERENCE, Peer
from bench.peers.environments import PeerError, python_of
from bench.peers.launch import Place, RunningPeer, started
from bench.peers.slices import STEPS, WHOLE, Callers, Slice
from bench.peers.workload import BareLoop, Workload, save, sequences

Tell = Callable[[str], None]
_LOOP_MODULE = "bench.peers.servers.bare_loop"
_WARM_SECONDS, _WARM_CALLERS = 0.1, 8


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured. A slice lasts `seconds`, after a fifth of that to warm up."""

    peers: Sequence[Peer]
    in_flight: Sequence[int]
    rounds: int
    seconds: float

    def steps(self) -> int:
        """Return how often `tell` is called if no peer is left out."""
        a_round = 1 + sum(len(peer.unary) + (peer.stream is not None) for peer in self.peers) * len(self.in_flight)
        return 2 * len(self.peers) + self.rounds * a_round


@dataclass(frozen=True, kw_only=True)
class Found:
    """What came of a run. `started` has start time and memory of each peer, `left_out` why others are missing."""

    slices: list[Slice] = field(default_factory=list)
    started: dict[str, tuple[float, float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


class Rounds:
    """One run. A peer that fails is left out from then on."""

    def __init__(self, plan: Plan, place: Place, environments: Path, tell: Tell) -> None:
        self._plan, self._place, self._environments, self._tell = plan, place, environments, tell
        self._found = Found(left_out=dict(LEFT_OUT))
        self._pythons: dict[str, Path] = {}
        self._running: dict[str, RunningPeer] = {}

    def run(self) -> Found:
        """Measure everything.

        Raises:
            PeerError: there is nothing to compare with: the model in a loop, or the minimal server, has failed.

        """
        for peer in self._plan.peers:
            self._tell(f"{peer.name}: environment")
            with self._leaving_out(peer):
                self._pythons[peer.name] = python_of(peer, self._environments)
        with self._bare_loop() as loop, ExitStack() as stack, cores(self._place.client_cores):
            workload = self._workload(loop)
            for peer in self._left():
                self._tell(f"{peer.name}: start")
                with self._leaving_out(peer):
                    self._start(peer, workload, stack)
            callers = Callers(workload, self._place.model, self._plan.seconds)
            for number in range(self._plan.rounds):
                self._round(number, loop, callers, workload)
        return self._found

    def _round(self, number: int, loop: BareLoop, callers: Callers, workload: Workload) -> None:
        place = f"round {number + 1} of {self._plan.rounds}"
        self._tell(f"{place}: {LOOP}")
        for traffic in (WHOLE, STEPS):
            rate = loop.rate(traffic, self._plan.seconds)
            self._found.slices.extend(
                Slice(row=LOOP, traffic=traffic, in_flight=in_flight, round=number, rate=rate)
                for in_flight in self._plan.in_flight
            )
        peers = self._left()
        first = number % len(peers)  # what drifts falls on all alike
        for peer in peers[first:] + peers[:first]:
            with self._leaving_out(peer), self._awake(peer, workload) as running:
                for in_flight in self._plan.in_flight:
                    self._measure(running, in_flight, number, callers, place)

    def _measure(self, running: RunningPeer, in_flight: int, number: int, callers: Callers, place: str) -> None:
        peer, slices = running.peer, self._found.slices
        for row in peer.unary:
            self._tell(f"{place}: {row}, {in_flight} in flight")
            slices.append(callers.whole(running, row, in_flight, number))
        if peer.stream is not None:
            self._tell(f"{place}: {peer.stream}, {in_flight} streams")
            slices.append(callers.steps(running, peer.stream, in_flight, number))

    def _start(self, peer: Peer, workload: Workload, stack: ExitStack) -> None:
        with ExitStack() as this:
            running = this.enter_context(started(peer, self._pythons[peer.name], self._place, workload))
            self._found.started[peer.name] = (running.ready_seconds, running.resident_mebibytes)
            if not peer.restarted:
                warm = Callers(workload, self._place.model, _WARM_SECONDS)
                for row in peer.unary:
                    warm.whole(running, row, _WARM_CALLERS, 0)
                running.pause()
                self._running[peer.name] = running
                stack.push(this.pop_all())

    @contextmanager
    def _awake(self, peer: Peer, workload: Workload) -> Iterator[RunningPeer]:
        if peer.restarted:
            with started(peer, self._pythons[peer.name], self._place, workload) as running:
                yield running
            return
        running = self._running[peer.name]
        running.resume()
        try:
            yield running
        finally:
            running.pause()

    def _left(self) -> list[Peer]:
        return [peer for peer in self._plan.peers if peer.name not in self._found.left_out]

    @contextmanager
    def _leaving_out(self, peer: Peer) -> Iterator[None]:
        try:
            yield
        except PeerError as error:
            if REFERENCE in peer.unary:
                raise
            self._found.left_out[peer.name] = str(error)

    @contextmanager
    def _bare_loop(self) -> Iterator[BareLoop]:
        place, file = self._place, self._place.folder / "workload.npz"
        save(file, *sequences())
        command = [sys.executable, "-m", _LOOP_MODULE, "--model", str(place.file), "--workload", str(file)]
        with (
            (place.folder / "bare-loop.log").open("w") as log,
            cores(place.server_cores),
            subprocess.Popen(  # noqa: S603  # our own
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=place.environment(),
                cwd=place.folder,
            ) as process,
        ):
            yield BareLoop(process)  # it ends with its input

    def _workload(self, loop: BareLoop) -> Workload:
        whole, streams = sequences()
        last, steps = loop.answers(self._place.folder / "answers.npz")
        return Workload(
            whole=whole,
            streams=streams,
            last=[row.tobytes() for row in last],
            steps=[row.tobytes() for row in steps],
            classes=last.shape[1],
        )
