"""How the models come to be: trained and exported in processes of their own, several at once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from demo.plan import Plan
from demo.pool import Show, Step, run_all, tell

if TYPE_CHECKING:
    from models.training import Epoch


def build_all(plan: Plan, repository: Path, show: Show) -> dict[str, float]:
    """Train every model and export it as version 1; returns the seconds each took. Raises what a worker raises."""
    # Those that others are made of first: they take longest.
    names = sorted(plan.names, key=lambda name: not name.endswith("-batch"))
    jobs = dict.fromkeys(names, (repository, plan))
    return run_all(_make, jobs, processes=plan.processes, show=show)


def _make(name: str, repository: Path, plan: Plan) -> float:
    """Run in a worker: imports of torch stay out of the parent, which measures."""
    from demo.normalisers.variants import export_derived
    from export import export_checkpoint
    from models import zoo
    from models.training import train

    def progress(epoch: Epoch) -> None:
        text = f"loss {epoch.loss:.3f}, validation {epoch.validation.accuracy:.1%}"
        tell(Step(name=name, done=epoch.epoch, total=epoch.epochs, text=text))

    started = time.perf_counter()
    _task, architecture, config = zoo.configuration(name)
    dataset = plan.data()
    checkpoint = train(dataset, architecture, config, seed=plan.seed, epochs=plan.epochs, progress=progress)
    tell(Step(name=name, done=checkpoint.epochs, total=checkpoint.epochs, text="exporting"))
    export_checkpoint(checkpoint, repository, name=name, version=1, dataset=dataset)
    seconds = time.perf_counter() - started
    if config.norm == "batch":
        tell(Step(name=name, done=checkpoint.epochs, total=checkpoint.epochs, text="other statistics"))
        export_derived(checkpoint, repository, dataset, seed=plan.seed)
    text = f"trained and exported in {seconds:.0f} s"
    tell(Step(name=name, done=checkpoint.epochs, total=checkpoint.epochs, text=text, finished=True))
    return seconds
