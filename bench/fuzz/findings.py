"""Inputs that did harm: the smallest of each sort is kept in a file of its own."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.fuzz import script as scripts
from bench.fuzz.outcome import Outcome
from bench.fuzz.script import Script

_NO_WORD = re.compile(r"[^A-Za-z]+")
_NUMBERS = re.compile(r"\d+")
_HEAD_CHARACTERS = 60


@dataclass(kw_only=True)
class Findings:
    """By method, code and the beginning of what was said; files go to `folder`."""

    folder: Path
    counts: Counter[str] = field(default_factory=Counter)
    smallest: dict[str, tuple[Script, Outcome]] = field(default_factory=dict)

    def take(self, script: Script, outcome: Outcome) -> None:
        """Count one, and write it if none of its sort was smaller."""
        sort = _sort_of(script, outcome)
        self.counts[sort] += 1
        known = self.smallest.get(sort)
        if known is None or (script.size, len(script.steps)) < (known[0].size, len(known[0].steps)):
            self.smallest[sort] = script, outcome
            scripts.write(self.file(sort), script, asdict(outcome))

    def file(self, sort: str) -> Path:
        """Return where the input of one sort is kept."""
        return self.folder / f"{sort}.json"


def _sort_of(script: Script, outcome: Outcome) -> str:
    said = _NUMBERS.sub("", outcome.details)[:_HEAD_CHARACTERS]
    parts = (script.path.rpartition("/")[2], outcome.code, outcome.reason, said)
    return _NO_WORD.sub("-", "-".join(part for part in parts if part)).strip("-").lower()
