"""One phase: traffic to every model at once, the labels that follow, and what the server then knows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from demo.monitoring.plan import TASK, Plan, model_name
from demo.monitoring.result import Matured, Phase
from demo.monitoring.skew_readings import SkewReadings
from demo.plan import DemoError
from models.data import Dataset
from simulation.run import simulate
from simulation.scenario import Part, Scenario
from simulation.shifts import Shift
from simulation.tally import PhaseTally, Tally
from soloist import AsyncMonitor, SoloistError

_SETTLING_SECONDS = 1.5  # in which the server writes the last answers and counts anew


@dataclass(frozen=True, kw_only=True)
class PhasePlan:
    """What a phase is: its name, its shift from beginning to end, the part of the data it draws from.

    `roles` says by version whose figures are wanted. `asked` are the versions that are sent to by name; without any,
    traffic goes to the stable one.
    """

    number: int
    letter: str
    title: str
    shift_name: str
    shifts: tuple[Shift, ...]
    part: Part
    roles: Mapping[int, str]
    asked: Sequence[str] = ("",)


class PhaseRunner:
    """A running server with the models of a plan on it, through its public interfaces."""

    def __init__(
        self, plan: Plan, dataset: Dataset, server: str, monitor: AsyncMonitor, readings: SkewReadings
    ) -> None:
        self._plan, self._dataset, self._server, self._monitor, self._readings = (
            plan,
            dataset,
            server,
            monitor,
            readings,
        )

    async def play(self, phase_plan: PhasePlan) -> Phase:
        """Play a phase and wait until it is over, its labels included. Raises DemoError where none can be asked."""
        begin = self._readings.now()
        end = begin + self._plan.phase_seconds
        try:
            async with asyncio.TaskGroup() as group:
                asked = [(seed, version) for seed in self._plan.seeds for version in phase_plan.asked]
                senders = [group.create_task(self._sent(seed, version, phase_plan)) for seed, version in asked]
                await self._wait_until(end)
                early = await self._matured(phase_plan)
        except* SoloistError as errors:
            raise DemoError(f"phase {phase_plan.letter}: {errors.exceptions[0]}") from errors
        await self._wait_until(end + self._plan.label_wait_seconds + _SETTLING_SECONDS)
        late = await self._matured(phase_plan)
        tallies = [phase for sender in senders for phase in sender.result().phases]
        return Phase(
            letter=phase_plan.letter,
            title=phase_plan.title,
            shift=phase_plan.shift_name,
            begin_seconds=begin,
            end_seconds=end,
            sent=sum(tally.sent for tally in tallies),
            answered=sum(tally.answered for tally in tallies),
            refused=dict(sum((tally.refused for tally in tallies), Counter[str]())),
            outcomes=_outcomes(tallies),
            matured=[_with_coverage(late[key], early.get(key)) for key in late],
        )

    async def _sent(self, seed: int, version: str, phase_plan: PhasePlan) -> Tally:
        return await simulate(self._scenario(seed, version, phase_plan), self._dataset, self._server)

    def _scenario(self, seed: int, version: str, phase_plan: PhasePlan) -> Scenario:
        return Scenario(
            model=model_name(seed),
            task=TASK,
            version=version,
            rate_per_second=self._plan.rate_per_second,
            seconds=self._plan.phase_seconds,
            # Other sequences in every phase and for every model, the same for versions asked side by side.
            seed=100 * seed + phase_plan.number,
            part=phase_plan.part,
            shifts=phase_plan.shifts,
            labels=self._plan.labels,
            label_wait_seconds=self._plan.label_wait_seconds,
        )

    async def _matured(self, phase_plan: PhasePlan) -> dict[tuple[int, int], Matured]:
        found = {}
        for seed in self._plan.seeds:
            for response in await self._monitor.accuracy(model_name(seed)):
                if response.version not in phase_plan.roles:
                    continue
                total = response.windows[0].total
                found[seed, response.version] = Matured(
                    seed=seed,
                    version=response.version,
                    role=phase_plan.roles[response.version],
                    answers=total.answers,
                    labelled=total.labelled_answers,
                    correct=total.correct,
                    labels=total.labels,
                    estimated_accuracy=total.estimated_accuracy,
                    calibration_error=total.calibration_error,
                    coverage_at_end=None,
                )
        return found

    async def _wait_until(self, at_seconds: float) -> None:
        await asyncio.sleep(max(0.0, at_seconds - self._readings.now()))


def _outcomes(phases: Sequence[PhaseTally]) -> dict[str, int]:
    return dict(sorted(sum((phase.labels for phase in phases), Counter[str]()).items()))


def _with_coverage(late: Matured, early: Matured | None) -> Matured:
    return late if early is None else replace(late, coverage_at_end=early.coverage)
