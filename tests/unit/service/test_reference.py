"""The reference pages that are checked in are those that the declarations make."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.app.settings import Settings
from service.reference.__main__ import main
from service.reference.settings import page

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


def test_the_pages_are_current() -> None:
    assert main(["--check", str(REFERENCE)]) == 0


def test_pages_are_written_and_one_that_differs_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "reference"
    assert main(["--check", str(folder)]) == 1
    assert not folder.exists()
    assert main([str(folder)]) == 0
    assert main(["--check", str(folder)]) == 0
    capsys.readouterr()
    changed = folder / "settings.md"
    changed.write_text(changed.read_text() + "more\n")
    assert main(["--check", str(folder)]) == 1
    assert capsys.readouterr().err == f"{changed} is out of date; run: make reference\n"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_settings_page_has_a_row_of_each_setting(name: str) -> None:
    (row,) = [line for line in page().splitlines() if line.startswith(f"| `{name}` |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert len(cells) == 6
    assert all(cells)
    flag = name.replace("_", "-")
    assert cells[1] in (f"`--{flag}`", f"`--[no-]{flag}`")
    assert cells[2] == f"`SOLOIST_{name.upper()}`"
