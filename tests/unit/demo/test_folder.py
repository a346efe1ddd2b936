"""Nothing of an earlier run is taken for this one's, and nothing of anybody else's is removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.folder import Folder
from demo.plan import DemoError, Plan

NAMES = Plan().names


def test_an_earlier_demonstration_is_removed(tmp_path: Path) -> None:
    folder = Folder(root=tmp_path)
    (folder.repository / NAMES[0] / "1").mkdir(parents=True)
    folder.report_json.write_text("old")
    folder.report_html.write_text("old")
    folder.normalisers_svg.write_text("old")
    folder.gathering_config.write_text("old")
    folder.clear(NAMES)
    assert [path.name for path in tmp_path.iterdir()] == ["repository"]
    assert list(folder.repository.iterdir()) == []


def test_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    Folder(root=tmp_path).clear(NAMES)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_repository_with_other_models_is_left_alone(tmp_path: Path) -> None:
    folder = Folder(root=tmp_path)
    (folder.repository / "somebody-elses").mkdir(parents=True)
    (folder.repository / NAMES[0]).mkdir()
    with pytest.raises(DemoError, match="somebody-elses"):
        folder.clear(NAMES)
    assert len(list(folder.repository.iterdir())) == 2
