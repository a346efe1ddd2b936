"""Which tasks there are, where their files lie, and what their frames are."""

from __future__ import annotations

import sysconfig
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.config import TaskSpec
from models.data.archive import DataError, read_archive
from models.data.dataset import Dataset

_ROOT = Path(__file__).parents[2]
_SHARED = Path("share", "soloist", "data")  # of an installed wheel: pyproject.toml, data-files
_PREFIX = _ROOT.joinpath("..", "..", "..")  # of lib/python3.x/site-packages: with --user or --prefix not sys.prefix
_PLACES = (_ROOT / "data", _ROOT / _SHARED, _PREFIX / _SHARED, Path(sysconfig.get_path("data")) / _SHARED)
FOLDER = next((place for place in _PLACES if (place / "SHA256SUMS").is_file()), _PLACES[0])

# Labels come from the files.
TASKS: dict[str, TaskSpec] = {
    "vowels": TaskSpec(name="vowels", frames="features", feature_count=12, labels=()),
    "digits": TaskSpec(name="digits", frames="features", feature_count=13, labels=()),
    "languages": TaskSpec(name="languages", frames="tokens", token_count=256, text_encoding="utf8", labels=()),
}


def load(task: str, folder: Path = FOLDER) -> Dataset:
    """Read one of `TASKS`; what each holds and how it is split: data/<task>/SOURCE.md.

    Raises DataError for an unknown task and for a file that is missing or not the one on record.
    """
    if task not in TASKS:
        raise DataError(f"no data set named {task!r}; there are {', '.join(TASKS)}")
    spec = TASKS[task]
    dtype = np.float32 if spec.frames == "features" else np.int64
    archive = read_archive(folder, f"{task}/{task}.npz", dtype)
    return Dataset(
        name=task,
        spec=replace(spec, labels=archive.label_names),
        train=archive.train,
        test=archive.test,
        sha256=archive.sha256,
    )
