"""The way from sampled traffic to a new version, as an operator would go it, for every seed at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from demo.monitoring.plan import Plan, model_name
from demo.monitoring.result import Proposal
from demo.pool import Show, Step, run_all, tell
from soloist import Monitor


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where a recalibration takes what it needs: a server, its files, and checkpoints by seed and normaliser."""

    server: str
    repository: Path
    prediction_log: Path
    checkpoints: dict[tuple[int, str], Path]


@dataclass(frozen=True, kw_only=True)
class Episode:
    """A shift that was played: since when, in seconds since 1970.

    `version` is the number that the recalibrated version will have.
    """

    shift: str
    version: int
    since_seconds: float


def propose_all(plan: Plan, sources: Sources, episode: Episode, show: Show) -> list[Proposal]:
    """Recalibrate on what the server has sampled of an episode, for every seed; raises what a worker raises."""
    jobs = {model_name(seed): (seed, plan, sources, episode) for seed in plan.seeds}
    return list(run_all(_propose, jobs, processes=plan.processes, show=show).values())


def _propose(name: str, seed: int, plan: Plan, sources: Sources, episode: Episode) -> Proposal:
    from export.recalibrate.gates import Bounds
    from export.recalibrate.proposal import Proposal as Recalibration
    from export.recalibrate.proposal import Request
    from export.recalibrate.sample import halves

    tell(Step(name=name, done=0, total=1, text=f"version {episode.version}: estimating, exporting, judging"))
    request = Request(
        model=name,
        checkpoint=sources.checkpoints[seed, "batch"],
        repository=sources.repository,
        pseudo_count=plan.pseudo_count,
        prediction_log=sources.prediction_log,
        bounds=Bounds(),
        version=episode.version,  # the same for every seed, also where the version before was stopped
    )
    gates: list[str] = []
    recalibration = Recalibration(request, gates.append)
    with Monitor(sources.server, timeout_seconds=None) as monitor:
        kept = list(monitor.sampled_sequences(name, recalibration.version))
    sampled = [
        replace(each, first_seen_seconds=plan.acceleration * (each.first_seen_seconds - episode.since_seconds))
        for each in kept
        if each.first_seen_seconds >= episode.since_seconds
    ]
    passed = recalibration.run(sampled)
    tell(Step(name=name, done=1, total=1, text="every gate passed" if passed else "a gate failed", finished=True))
    return Proposal(
        seed=seed,
        version=episode.version,
        shift=episode.shift,
        sequences=len(halves(sampled).estimate),
        gates=gates[:-1],  # the last line tells what was written, or that nothing was
        passed=passed,
    )
