"""Whether everything that was promised was measured; whether a figure is good is not asked."""

from __future__ import annotations

from collections.abc import Sequence

from bench.monitoring_cost import Ratios
from demo.monitoring.offline import OfflineResult
from demo.monitoring.plan import BATCH, Plan
from demo.monitoring.result import Live, Phase


def failures(
    plan: Plan, offline: Sequence[OfflineResult], live: Live, costs: Sequence[Ratios], server_exit_code: int
) -> list[str]:
    """Return everything that is missing; empty when all was measured."""
    found = []
    measured = {(result.seed, result.shift) for result in offline}
    missing = {(seed, shift) for seed in plan.seeds for shift in plan.offline_shifts} - measured
    found += [f"seed {seed}, {shift}: not measured offline" for seed, shift in sorted(missing)]
    for phase in live.phases:
        found += _phase(plan, phase)
    seen = {point.seed for point in live.skew if point.version == BATCH}
    found += [f"seed {seed}: no skew was seen" for seed in plan.seeds if seed not in seen]
    proposed = {(proposal.seed, proposal.shift) for proposal in live.proposals}
    wanted = {(seed, shift) for seed in plan.seeds for shift in plan.live_shifts}
    found += [f"seed {seed}, {shift}: not recalibrated" for seed, shift in sorted(wanted - proposed)]
    found += [f"cost, {cost.name}: {cost.failed} requests were not answered" for cost in costs if cost.failed]
    found += [] if costs else ["what watching costs was not measured"]
    if server_exit_code != 0:
        found.append(f"the server ended with exit code {server_exit_code} after SIGTERM, not 0")
    return found


def _phase(plan: Plan, phase: Phase) -> list[str]:
    name = f"phase {phase.letter}"
    found = [f"{name}: seed {seed} has no figures" for seed in plan.seeds if seed not in _seeds(phase)]
    for matured in phase.matured:
        where = f"{name}, seed {matured.seed}, {matured.role}"
        if not matured.labels:
            found.append(f"{where}: no label has joined an answer")
        if matured.estimated_accuracy is None:
            found.append(f"{where}: no accuracy is estimated")
    if phase.answered < phase.sent:
        found.append(f"{name}: {phase.sent - phase.answered} of {phase.sent} requests were not answered")
    return found


def _seeds(phase: Phase) -> set[int]:
    return {matured.seed for matured in phase.matured}
