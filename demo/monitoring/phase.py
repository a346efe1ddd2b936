"""Owns one phase: traffic to every model at once, the labels that follow, and what the server then knows."""

from __future__ import annotations

import asyncio
import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from demo.monitoring.plan import TASK, Plan, model_name
from demo.monitoring.result import Matured, Phase
from demo.monitoring.watching import Watch
from demo.plan import DemoError
from models.data import Dataset
from simulation.reporting import DueLabel
from simulation.run import simulate
from simulation.scenario import Part, Scenario
from simulation.shifts import Shift
from simulation.tally import PhaseTally, Tally
from soloist import AsyncMonitor, SoloistError

_SETTLING_SECONDS = 1.5  # in which the server writes the last answers and counts anew


@dataclass(frozen=True, kw_only=True)
class Course:
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


class Stage:
    """A running server with the models of a plan on it, through its public interfaces."""

    def __init__(self, plan: Plan, dataset: Dataset, server: str, monitor: AsyncMonitor, watch: Watch) -> None:
        self._plan, self._dataset, self._server, self._monitor, self._watch = plan, dataset, server, monitor, watch
        self._labels: dict[int, dict[str, str]] = {seed: {} for seed in plan.seeds}

    def write_labels(self, folder: Path) -> dict[int, Path]:
        """Write the labels that the server has taken, as `soloist recalibrate` reads them; the files by seed."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = {seed: folder / f"{model_name(seed)}.csv" for seed in self._plan.seeds}
        for seed, path in paths.items():
            with path.open("w", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(("prediction_id", "label"))
                rows.writerows(self._labels[seed].items())
        return paths

    async def play(self, course: Course) -> Phase:
        """Play a phase and wait until it is over, its labels included. Raises DemoError where none can be asked."""
        begin = self._watch.now()
        end = begin + self._plan.phase_seconds
        try:
            async with asyncio.TaskGroup() as group:
                asked = [(seed, version) for seed in self._plan.seeds for version in course.asked]
                senders = [group.create_task(self._sent(seed, version, course)) for seed, version in asked]
                await self._wait_until(end)
                early = await self._matured(course)
        except* SoloistError as errors:
            raise DemoError(f"phase {course.letter}: {errors.exceptions[0]}") from errors
        await self._wait_until(end + self._plan.label_wait_seconds + _SETTLING_SECONDS)
        late = await self._matured(course)
        tallies = [phase for sender in senders for phase in sender.result().phases]
        return Phase(
            letter=course.letter,
            title=course.title,
            shift=course.shift_name,
            begin_seconds=begin,
            end_seconds=end,
            sent=sum(tally.sent for tally in tallies),
            answered=sum(tally.answered for tally in tallies),
            refused=dict(sum((tally.refused for tally in tallies), Counter[str]())),
            outcomes=_outcomes(tallies),
            matured=[_with_coverage(late[key], early.get(key)) for key in late],
        )

    async def _sent(self, seed: int, version: str, course: Course) -> Tally:
        def taken(label: DueLabel, _outcome: str) -> None:
            # The first stands, as it does for the server.
            self._labels[seed].setdefault(label.prediction_id, self._dataset.spec.labels[label.class_index])

        return await simulate(self._scenario(seed, version, course), self._dataset, self._server, taken=taken)

    def _scenario(self, seed: int, version: str, course: Course) -> Scenario:
        return Scenario(
            model=model_name(seed),
            task=TASK,
            version=version,
            rate_per_second=self._plan.rate_per_second,
            seconds=self._plan.phase_seconds,
            # Other sequences in every phase and for every model, the same for versions asked side by side.
            seed=100 * seed + course.number,
            part=course.part,
            shifts=course.shifts,
            labels=self._plan.labels,
            label_wait_seconds=self._plan.label_wait_seconds,
        )

    async def _matured(self, course: Course) -> dict[tuple[int, int], Matured]:
        found = {}
        for seed in self._plan.seeds:
            for told in await self._monitor.accuracy(model_name(seed)):
                if told.version not in course.roles:
                    continue
                total = told.windows[0].total
                found[seed, told.version] = Matured(
                    seed=seed,
                    version=told.version,
                    role=course.roles[told.version],
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
        await asyncio.sleep(max(0.0, at_seconds - self._watch.now()))


def _outcomes(phases: Sequence[PhaseTally]) -> dict[str, int]:
    return dict(sorted(sum((phase.labels for phase in phases), Counter[str]()).items()))


def _with_coverage(late: Matured, early: Matured | None) -> Matured:
    return late if early is None else replace(late, coverage_at_end=early.coverage)
