"""The faults of httpunk that its page tells of are still there: each program prints what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "httpunk-faults.md"
_BLOCK = re.compile(r"```(python|text)\n(.*?)```", re.DOTALL)
_GROWN = re.compile(r"(\d+) MiB more")
_GROWN_MIB = 20


def programs() -> list[tuple[str, str]]:
    """Return the programs of the page, each with what it begins with, and what it prints."""
    found, head = [], ""
    for (kind, text), (next_kind, printed) in pairwise(_BLOCK.findall(PAGE.read_text())):
        if kind == next_kind == "python":
            head = text
        elif kind == "python":
            found.append((f"{head}\n\n{text}", printed))
    return found


@pytest.mark.parametrize(("program", "printed"), programs(), ids=lambda text: text.partition("\n")[0][:30])
def test_a_fault_is_still_there(program: str, printed: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    grown = _GROWN.search(done.stdout)
    if grown is None:
        assert done.stdout == printed
    else:  # it is never the same
        assert int(grown[1]) > _GROWN_MIB


def test_the_page_has_every_program() -> None:
    assert len(programs()) == 7
