"""Fills a model repository once: `python -m deploy.export_models --repository DIR NAME…` in the project's root."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from export import export_checkpoint
from models import zoo
from models.data import load
from models.training import train
from soloist.integers import LARGEST_INT64, whole_number


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


def _seed(text: str) -> int:
    found = whole_number(text, LARGEST_INT64)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {LARGEST_INT64}")
    return found


def main() -> None:
    """Read the command line and export model after model."""
    parser = argparse.ArgumentParser(description="Train models of the zoo and export them to a repository.")
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--seed", type=_seed, default=0)
    parser.add_argument("names", nargs="+", metavar="NAME", choices=zoo.names())
    arguments = parser.parse_args()
    for name in arguments.names:
        export(name, arguments.repository, seed=arguments.seed)


if __name__ == "__main__":
    main()
