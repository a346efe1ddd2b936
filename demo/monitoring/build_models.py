"""How the siblings come to be: trained once and kept, exported as versions of one model for each seed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from demo.monitoring.plan import ARCHITECTURE, BATCH, LAYER, TASK, Plan, model_name
from demo.pool import Show, Step, run_all, tell

if TYPE_CHECKING:
    from models.training import Checkpoint, Epoch

VERSIONS = {"batch": BATCH, "layer": LAYER}
_SOURCES = Path(__file__).parents[2] / "models"


def job_names(plan: Plan) -> list[str]:
    """Return the names of what is made, for the display."""
    return [f"{model_name(seed)} {norm}" for seed in plan.seeds for norm in VERSIONS]


def build_all(plan: Plan, repository: Path, checkpoints: Path, show: Show) -> dict[tuple[int, str], Path]:
    """Train what is not kept from an earlier run, export all; the checkpoint files by seed and normaliser."""
    pairs = [(seed, norm) for seed in plan.seeds for norm in VERSIONS]
    paths = {(seed, norm): checkpoints / _file_name(seed, norm, plan.epochs) for seed, norm in pairs}
    jobs = {
        name: (seed, norm, plan.epochs, paths[seed, norm], repository)
        for name, (seed, norm) in zip(job_names(plan), pairs, strict=True)
    }
    run_all(_make, jobs, processes=plan.processes, show=show)
    return paths


def _file_name(seed: int, norm: str, epochs: int | None) -> str:
    """Return a checkpoint's file name, made of all it depends on: another training code is another file."""
    sources = hashlib.sha256()
    for path in sorted(_SOURCES.rglob("*.py")):
        sources.update(path.read_bytes())
    return f"{TASK}-{ARCHITECTURE}-{norm}-seed-{seed}-epochs-{epochs or 'recipe'}-{sources.hexdigest()[:12]}.ckpt"


def _make(name: str, seed: int, norm: str, epochs: int | None, path: Path, repository: Path) -> None:
    from export import export_checkpoint
    from models.data import load

    dataset = load(TASK)
    checkpoint = _checkpoint(name, seed, norm, epochs, path)
    tell(Step(name=name, done=checkpoint.epochs, total=checkpoint.epochs, text="exporting"))
    export_checkpoint(checkpoint, repository, name=model_name(seed), version=VERSIONS[norm], dataset=dataset)
    text = f"validation {checkpoint.validation_accuracy:.1%}, exported"
    tell(Step(name=name, done=checkpoint.epochs, total=checkpoint.epochs, text=text, finished=True))


def _checkpoint(name: str, seed: int, norm: str, epochs: int | None, path: Path) -> Checkpoint:
    from models import zoo
    from models.data import load
    from models.training import Checkpoint, train

    if path.exists():
        return Checkpoint.load(path)

    def progress(epoch: Epoch) -> None:
        text = f"loss {epoch.loss:.3f}, validation {epoch.validation.accuracy:.1%}"
        tell(Step(name=name, done=epoch.epoch, total=epoch.epochs, text=text))

    _, architecture, config = zoo.configuration(f"{TASK}-{ARCHITECTURE}-{norm}")
    checkpoint = train(load(TASK), architecture, config, seed=seed, epochs=epochs, progress=progress)
    checkpoint.save(path)
    return checkpoint
