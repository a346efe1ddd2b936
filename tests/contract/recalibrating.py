"""Owns a call of `soloist recalibrate` on a copy of a repository, and the sample of traffic that it is given."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from numpy.typing import NDArray

from models.training import Checkpoint
from soloist import SampledSequence
from soloist.cli.main import main
from soloist.sampled_sequences import save_sample


def id_of(place: int) -> str:
    """Return the prediction id of the answer to a sequence of the sample."""
    return f"{place:032x}"


@dataclass(frozen=True, kw_only=True)
class Command:
    """A folder with a repository of one model "vowels", a checkpoint file, and what the command wrote."""

    folder: Path

    @classmethod
    def prepared(cls, folder: Path, repository: Path, checkpoint: Checkpoint) -> Command:
        """Copy version 1 of "vowels", and save the checkpoint."""
        shutil.copytree(repository / "vowels" / "1", folder / "repository" / "vowels" / "1")
        checkpoint.save(folder / "model.pt")
        return cls(folder=folder)

    def call(self, sequences: Sequence[NDArray[Any]], *options: str, seconds: float = 10.0) -> Result:
        """Recalibrate with sequences that began so many seconds apart; their answers are id_of(0), id_of(1), …"""
        sampled = [
            SampledSequence(
                sequence_id=str(place),
                first_seen_seconds=place * seconds,
                last_seen_seconds=place * seconds,
                frames=frames,
                prediction_ids=(id_of(place),),
            )
            for place, frames in enumerate(sequences)
        ]
        save_sample(self.folder / "sample.npz", sampled)
        where = ["--repository", self.folder / "repository", "--checkpoint", self.folder / "model.pt"]
        arguments = ["recalibrate", "vowels", *where, "--sequences", self.folder / "sample.npz", *options]
        return CliRunner().invoke(main, [*map(str, arguments), "--pseudo-count", "16", "--least-sequences", "32"])

    @property
    def versions(self) -> list[str]:
        """Names of the versions in the repository, and of nothing else."""
        return sorted(path.name for path in (self.folder / "repository" / "vowels").iterdir() if path.is_dir())
