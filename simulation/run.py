"""Owns a simulation against a server, from the connection to the last label."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from bench.clock import Clock, SystemClock
from models.data import Dataset
from simulation.asking import asking, version_of
from simulation.demand import Demand
from simulation.feedback import reporting
from simulation.phases import Phases
from simulation.play import Play
from simulation.reporting import Taken, WaitingLabels
from simulation.scenario import Scenario, ScenarioError
from simulation.tally import Tally
from soloist import NO_RETRY, AsyncClient

Started = Callable[[Play, Tally], None]


async def simulate(
    scenario: Scenario,
    dataset: Dataset,
    server: str,
    *,
    started: Started | None = None,
    taken: Taken | None = None,
    clock: Clock | None = None,
) -> Tally:
    """Play a scenario to its end, and tell what came of it.

    `started` is told when the first request may leave, `taken` every label that the server has taken. A refused request
    is counted, not raised. Raises SoloistError when the model can't be had to begin with, and ScenarioError when it
    answers another task, or the scenario doesn't fit the data.
    """
    clock = clock or SystemClock()
    demand, tally = Demand(scenario, dataset), Tally(Phases(scenario.shifts).names)
    async with (
        AsyncClient(server, timeout_seconds=scenario.timeout_seconds, retry=NO_RETRY) as asker,
        AsyncClient(server, timeout_seconds=scenario.timeout_seconds) as reporter,
    ):
        await _refuse_other_task(asker, scenario, dataset)  # connects, too
        labels = WaitingLabels(reporting(reporter), tally, clock, most=scenario.max_labels_waiting, taken=taken)
        play = Play(
            demand,
            asking(asker, scenario, clock),
            labels,
            tally,
            clock,
            max_in_flight=scenario.max_in_flight,
            label_wait_seconds=scenario.label_wait_seconds,
        )
        if started is not None:
            started(play, tally)
        await play.run()
    return tally


def stop_on_signals(play: Play) -> None:
    """Let the first SIGINT or SIGTERM end the sending; a second one acts as ever."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        play.stop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


async def _refuse_other_task(client: AsyncClient, scenario: Scenario, dataset: Dataset) -> None:
    manifest = (await client.model(scenario.model, version_of(scenario))).manifest
    if manifest is None or tuple(manifest.labels) != dataset.spec.labels:
        raise ScenarioError(f"{scenario.model} does not tell the classes of {dataset.name}")
