"""What the monitoring demonstration does: models, shifts, phases and amounts, and its server's settings."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simulation.labels import LabelPolicy
from simulation.shifts import Concept, Gain, Noise, Offset

TASK = "digits"
ARCHITECTURE = "tcn"
BATCH, LAYER, FIRST_RECALIBRATED = 1, 2, 3  # versions of one model

# All of them are reported, whatever comes of them.
OFFLINE_SHIFTS: dict[str, Gain | Offset | Noise | None] = {
    "none": None,
    "gain 1.25": Gain(factor=1.25),
    "gain 1.5": Gain(factor=1.5),
    "gain 2": Gain(factor=2.0),
    "gain 3": Gain(factor=3.0),
    "gain 1/2": Gain(factor=0.5),
    "gain 2, channel 0": Gain(factor=2.0, channel=0),
    "offset -1, channel 0": Offset(deviations=-1.0, channel=0),
    "noise 0.5": Noise(deviations=0.5),
    "noise 1": Noise(deviations=1.0),
}
_CONCEPT = Concept()
PHASE_STANDS_FOR_SECONDS = 2400.0
_DELAY_SHARE, _WAIT_SHARE = 0.1, 0.3  # of a phase: the mean delay of labels, and how long they are waited for


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Settings of one demonstration; `epochs` bounds training, None for as long as the recipe says.

    Each of `live_shifts` (of OFFLINE_SHIFTS) is played against a running server: shifted, recalibrated, shifted again.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    epochs: int | None = 12  # fewer than the recipe: enough for digits, and short
    processes: int = 2  # that train, export and measure at once
    offline_shifts: tuple[str, ...] = tuple(OFFLINE_SHIFTS)
    live_shifts: tuple[str, ...] = ("gain 2", "gain 1/2")
    concept: Concept = _CONCEPT
    pseudo_count: float = 64.0  # sequences that the stored statistics count for; live ones are several times as many
    rate_per_second: float = 25.0  # of each model
    phase_seconds: float = 30.0
    poll_seconds: float = 1.0
    cost_rate_per_second: float = 200.0
    cost_rounds: int = 5

    @property
    def acceleration(self) -> float:
        """Seconds of traffic that a second stands for, so that the bounds of gates are those of real traffic.

        Sequences are drawn one by one, so that they resemble each other no more for coming sooner.
        """
        return PHASE_STANDS_FOR_SECONDS / self.phase_seconds

    @property
    def skew_half_life_seconds(self) -> float:
        """Half-life of the pool of live moments, so that it follows phases this short: in their time, the default."""
        return self.phase_seconds / 4

    @property
    def labels(self) -> LabelPolicy:
        """How labels follow."""
        return LabelPolicy(
            delay="lognormal",
            mean_seconds=_DELAY_SHARE * self.phase_seconds,
            missing_ratio=0.2,
            repeated_ratio=0.05,
            contradictory_ratio=0.02,
        )

    @property
    def label_wait_seconds(self) -> float:
        """Time between phases: labels that take longer are lost to the phase."""
        return _WAIT_SHARE * self.phase_seconds

    @property
    def cost_seconds(self) -> float:
        """Time of each load that cost is measured with."""
        return self.phase_seconds / 10

    @property
    def window_seconds(self) -> int:
        """Length of the window that holds one phase and nothing of the one before."""
        return round(self.phase_seconds + self.label_wait_seconds + 3)

    def as_json(self) -> dict[str, Any]:
        """Return everything as what `json` can write, derived settings too."""
        derived = ("acceleration", "label_wait_seconds", "skew_half_life_seconds", "cost_seconds")
        return {
            **asdict(self),
            **{name: getattr(self, name) for name in derived},
            "labels": asdict(self.labels),
            "concept": {"classes_ratio": self.concept.classes_ratio},  # its end is infinite, which JSON can't say
        }


def model_name(seed: int) -> str:
    """Return the name of the model whose versions are the siblings of one seed."""
    return f"{TASK}-seed-{seed}"


_KEPT_SHARE = 0.75  # of a phase's sequences are kept, so that none of the phase before is among them


def write_settings(plan: Plan, path: Path, prediction_log: Path) -> None:
    """Write the server's TOML file: log on, every sequence probed, some of the last phase's sequences kept."""
    kept = round(_KEPT_SHARE * plan.rate_per_second * plan.phase_seconds)
    settings = {
        "version_policy": "all",
        "prediction_log": str(prediction_log),
        "accuracy_windows": f"{plan.window_seconds}s",
        "accuracy_refresh_seconds": 0.5,
        "shadow_core_ratio": 1.0,
        "skew_probe_ratio": 1.0,
        "skew_core_ratio": 0.5,  # what isn't probed isn't kept
        "skew_half_life_seconds": plan.skew_half_life_seconds,
        "skew_keep_sequences": kept,
    }
    # A JSON string or number is a TOML one.
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
