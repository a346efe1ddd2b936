"""The live part: which phase follows which, what is recalibrated and promoted between them, and what is seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from demo.monitoring import phases
from demo.monitoring.phase_runner import PhasePlan, PhaseRunner
from demo.monitoring.plan import BATCH, FIRST_RECALIBRATED, LAYER, Plan, model_name
from demo.monitoring.recalibration import Episode
from demo.monitoring.result import Live, Phase, Proposal
from demo.monitoring.skew_readings import SkewReadings
from models.data import Dataset
from soloist import Admin, AsyncMonitor

_TIMEOUT_SECONDS = 60.0
Say = Callable[[str], None]
# Makes a version that fits the traffic which the server has sampled under a shift, for every seed whose gates pass.
Recalibrate = Callable[[Episode], list[Proposal]]


async def play(plan: Plan, dataset: Dataset, server: str, *, recalibrate: Recalibrate, say: Say) -> Live:
    """Play all phases; raises SoloistError, and what `recalibrate` raises."""
    async with AsyncMonitor(server, timeout_seconds=_TIMEOUT_SECONDS) as monitor:
        readings = SkewReadings(monitor, plan.seeds, poll_seconds=plan.poll_seconds)
        runner = PhaseRunner(plan, dataset, server, monitor, readings)
        await asyncio.to_thread(_set_up, plan, server)
        readings.of_versions(BATCH)
        async with readings.polling():
            played = [await _played(runner, phases.unshifted(), say)]
            proposals: list[Proposal] = []
            for number, shift in enumerate(plan.live_shifts):
                version = FIRST_RECALIBRATED + number
                played.append(await _played(runner, phases.shifted(number, shift), say))
                say(f"recalibrating on what was sampled under {shift}")
                episode = Episode(
                    shift=shift,
                    version=version,
                    since_seconds=readings.epoch_seconds(played[-1].begin_seconds),
                )
                proposed = await asyncio.to_thread(recalibrate, episode)
                written = [proposal.seed for proposal in proposed if proposal.passed]
                say(f"{len(written)} of {len(proposed)} recalibrations passed every gate")
                await asyncio.to_thread(_promote, server, written, version)
                readings.of_versions(BATCH, recalibrated=dict.fromkeys(written, version))
                played.append(await _played(runner, phases.recalibrated(number, shift, version), say))
                await asyncio.to_thread(_promote, server, written, BATCH)  # and back
                proposals += proposed
                readings.of_versions(BATCH)
            played.append(await _played(runner, phases.concept(plan), say))
        await asyncio.to_thread(_end_shadows, plan, server)
    return Live(phases=played, skew=readings.skew, proposals=proposals)


async def _played(runner: PhaseRunner, phase_plan: PhasePlan, say: Say) -> Phase:
    say(f"phase {phase_plan.letter}: {phase_plan.title}, shift {phase_plan.shift_name}")
    return await runner.play(phase_plan)


def _set_up(plan: Plan, server: str) -> None:
    """Let BatchNorm answer, and LayerNorm beside it as the shadow."""
    with Admin(server) as admin:
        for seed in plan.seeds:
            admin.spread(model_name(seed), labels={"stable": BATCH}, shadow_version=LAYER)


def _end_shadows(plan: Plan, server: str) -> None:
    with Admin(server) as admin:
        for seed in plan.seeds:
            admin.spread(model_name(seed), shadow_version=0)


def _promote(server: str, seeds: Sequence[int], version: int) -> None:
    with Admin(server) as admin:
        for seed in seeds:
            admin.spread(model_name(seed), labels={"stable": version})
