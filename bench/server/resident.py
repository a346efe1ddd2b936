"""What a process has in memory, by the file it comes from, as Linux tells it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

DATA = "data"  # of no file: objects, buffers, stacks
_MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)")


def by_file(process: int) -> dict[str, int]:
    """Return the resident bytes of a process for each file, largest first; empty where the system doesn't tell."""
    try:
        lines = Path(f"/proc/{process}/smaps").read_text().splitlines()
    except OSError:
        return {}
    found: Counter[str] = Counter()
    name = DATA
    for line in lines:
        if mapping := _MAPPING.fullmatch(line):
            name = _name(mapping[1])
        elif line.startswith("Rss:"):
            found[name] += 1024 * int(line.split()[1])
    return dict(found.most_common())


def _name(path: str) -> str:
    return Path(path).name.partition(".")[0] if path.startswith("/") else DATA
