"""Owns what watching costs: the benchmark of the log and the probe, on a model of the demonstration."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.load import Load
from bench.monitoring_cost import Ratios, compare, variants
from bench.server_process import ServerError
from demo.monitoring.plan import Plan, model_name
from demo.plan import DemoError


def measure_cost(plan: Plan, repository: Path) -> list[Ratios]:
    """Load servers that watch, and one that does not, in turn; that one comes first. Raises DemoError, SoloistError."""
    load = Load(
        server="",
        model=model_name(plan.seeds[0]),
        rate_per_second=plan.cost_rate_per_second,
        seconds=plan.cost_seconds,
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            return compare(repository, variants(Path(folder)), load, rounds=plan.cost_rounds)
        except ServerError as error:
            raise DemoError(f"cost: {error}") from error
