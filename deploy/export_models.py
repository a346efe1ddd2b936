"""Fills a model repository once: `python -m deploy.export_models --repository DIR NAME…` in the project's root."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from export import export_checkpoint
from models import zoo
from models.data import load
from models.training import train
from soloist.integers import seed_number


def export(name: str, repository: Path, *, seed: int) -> None:
    """Train the zoo's model `name` and export it as version 1, unless that is there already."""
    if (repository / name / "1" / "model.onnx").exists():
        sys.stdout.write(f"{name}: already exported\n")
        return
    task, architecture, config = zoo.configuration(name)
    dataset = load(task)
    checkpoint = train(dataset, architecture, config, seed=seed)
    export_checkpoint(checkpoint, repository, name=name, version=1, dataset=dataset)
    sys.stdout.write(f"{name}: exported\n")


def main() -> None:
    """Read the command line and export model after model."""
    parser = argparse.ArgumentParser(description="Train models of the zoo and export them to a repository.")
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--seed", type=seed_number, default=0)
    parser.add_argument("names", nargs="+", metavar="NAME", choices=zoo.names())
    arguments = parser.parse_args()
    for name in arguments.names:
        export(name, arguments.repository, seed=arguments.seed)


if __name__ == "__main__":
    main()
