"""Owns how the demonstration's server is set up: a file that anybody can serve with again."""

from __future__ import annotations

import json
from pathlib import Path

from demo.monitoring.plan import Plan

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
        "skew_half_life_seconds": plan.skew_half_life_seconds,
        "skew_keep_sequences": kept,
    }
    # A JSON string or number is a TOML one.
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
