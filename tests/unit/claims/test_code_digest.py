from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from claims import code_digest

LOOP = "models/training/loop.py"


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = Path(code_digest.__file__).parents[1]
    shutil.copytree(root / "models", tmp_path / "models", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code_digest, "_ROOT", tmp_path)
    return tmp_path


def _digest() -> str:
    code_digest.code_digest.cache_clear()
    return code_digest.code_digest("models", ("models.training.loop", "models.tcn"))


def _edit(file: Path, old: str, new: str) -> None:
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("models/training/recipes.py", "epochs=60", "epochs=61", True),
        ("models/batch_norm.py", "momentum: float = 0.1", "momentum: float = 0.2", True),
        ("models/training/loop.py", '"""The training loop', '"""The loop', False),
        ("models/training/loop.py", "# share of the steps", "# of the steps", False),
        ("models/transformer.py", "causal = True", "causal = False", False),
    ],
)
def test_code_that_is_imported_counts_and_words_do_not(
    copied: Path, file: str, old: str, new: str, changes: bool
) -> None:
    before = _digest()
    _edit(copied / file, old, new)
    assert (_digest() != before) is changes
    code_digest.code_digest.cache_clear()
