"""A simulation against a server, from the connection to the last label."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from bench.load_generator.clock import Clock, SystemClock
from models.data import Dataset
from simulation.demand import Demand, Request
from simulation.label_reports import WaitingLabels, label_reporter
from simulation.open_loop import OpenLoop, Send
from simulation.phases import Phases
from simulation.scenario import Scenario, ScenarioError
from simulation.tally import Tally
from soloist import NO_RETRY, TLS, AsyncClient, ChunkResult, Prediction, Token

Started = Callable[[OpenLoop, Tally], None]


async def simulate(
    scenario: Scenario,
    dataset: Dataset,
    server: str,
    *,
    tls: TLS | None = None,
    token: Token | None = None,
    started: Started | None = None,
    clock: Clock | None = None,
) -> Tally:
    """Play a scenario to its end and return what came of it.

    `tls` is how to connect, and `token` is shown with every call. `started` is called when the first request may leave.
    A refused request is counted, not raised. Raises SoloistError when the model can't be had, and ScenarioError when it
    answers another task, or the scenario doesn't fit the data.
    """
    clock = clock or SystemClock()
    demand, tally = Demand(scenario, dataset), Tally(Phases(scenario.shifts).names)
    async with (
        AsyncClient(server, tls=tls, token=token, timeout_seconds=scenario.timeout_seconds, retry=NO_RETRY) as asker,
        AsyncClient(server, tls=tls, token=token, timeout_seconds=scenario.timeout_seconds) as reporter,
    ):
        await _refuse_other_task(asker, scenario, dataset)  # connects, too
        labels = WaitingLabels(label_reporter(reporter), tally, clock, most=scenario.max_labels_waiting)
        loop = OpenLoop(
            demand,
            request_sender(asker, scenario, clock),
            labels,
            tally,
            clock,
            max_in_flight=scenario.max_in_flight,
            label_wait_seconds=scenario.label_wait_seconds,
        )
        if started is not None:
            started(loop, tally)
        await loop.run()
    return tally


def request_sender(client: AsyncClient, scenario: Scenario, clock: Clock) -> Send:
    """Return what sends requests to the scenario's model.

    Chunk n of a stream is due n intervals after the stream, as from a microphone.
    """
    version = version_of(scenario)

    async def send(request: Request, due_seconds: float) -> Prediction | ChunkResult:
        if request.whole:
            (frames,) = request.pieces
            return await client.predict(scenario.model, frames, version=version)
        timeout_seconds = scenario.timeout_seconds + len(request.pieces) * scenario.chunk_interval_seconds
        async with client.stream(scenario.model, version=version, timeout_seconds=timeout_seconds) as stream:
            for number, frames in enumerate(request.pieces):
                await clock.sleep_until(due_seconds + number * scenario.chunk_interval_seconds)
                answer = await stream.send(frames)
        return answer

    return send


def version_of(scenario: Scenario) -> int | str | None:
    """Return the version as the client takes it: a number, a label, or None for the server's choice."""
    return int(scenario.version) if scenario.version.isdecimal() else scenario.version or None


def stop_on_signals(open_loop: OpenLoop) -> None:
    """Let the first SIGINT or SIGTERM end the sending; a second one acts as ever."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        open_loop.stop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


async def _refuse_other_task(client: AsyncClient, scenario: Scenario, dataset: Dataset) -> None:
    manifest = (await client.model(scenario.model, version_of(scenario))).manifest
    if manifest is None or tuple(manifest.labels) != dataset.spec.labels:
        raise ScenarioError(f"{scenario.model} does not tell the classes of {dataset.name}")
