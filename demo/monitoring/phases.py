"""The phases of the live part by name: who answers, under which shift, from which part of the data."""

from __future__ import annotations

from demo.monitoring.phase_runner import PhasePlan
from demo.monitoring.plan import BATCH, LAYER, OFFLINE_SHIFTS, Plan
from simulation.scenario import Part
from simulation.shifts import Shift

_SIBLINGS = {BATCH: "batch", LAYER: "layer"}
_ALL, _TO_ESTIMATE, _FRESH = Part(), Part(number=1, of=2), Part(number=2, of=2)


def unshifted() -> PhasePlan:
    """BatchNorm answers, LayerNorm beside it as the shadow, and traffic is as in training."""
    return PhasePlan(number=0, letter="A", title="as trained", shift_name="none", shifts=(), part=_ALL, roles=_SIBLINGS)


def shifted(number: int, shift: str) -> PhasePlan:
    """Return the same under a shift; half of the held-out data, whose sampled sequences will be learnt from."""
    return PhasePlan(
        number=1 + 2 * number,
        letter=f"B{number + 1}",
        title="shifted",
        shift_name=shift,
        shifts=_played(shift),
        part=_TO_ESTIMATE,
        roles=_SIBLINGS,
    )


def recalibrated(number: int, shift: str, version: int) -> PhasePlan:
    """Return the phase in which the new version answers the other half; the stale one is asked by number."""
    return PhasePlan(
        number=2 + 2 * number,
        letter=f"C{number + 1}",
        title="recalibrated",
        shift_name=shift,
        shifts=_played(shift),
        part=_FRESH,
        roles={**_SIBLINGS, version: "recalibrated"},
        asked=("", str(BATCH)),
    )


def concept(plan: Plan) -> PhasePlan:
    """Leave the frames and permute what is true of them."""
    return PhasePlan(
        number=1 + 2 * len(plan.live_shifts),
        letter="D",
        title="labels permuted",
        shift_name="none, labels permuted",
        shifts=(plan.concept,),
        part=_ALL,
        roles=_SIBLINGS,
    )


def _played(shift: str) -> tuple[Shift, ...]:
    applied = OFFLINE_SHIFTS[shift]
    return () if applied is None else (applied,)
