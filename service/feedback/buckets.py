"""The slices that accuracy is told by: closed sets of ranges."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

ALL = "all"


@dataclass(frozen=True)
class Slice:
    """Ranges of a count; `starts` are the first value of each, from 1."""

    name: str
    starts: tuple[int, ...]

    def bucket(self, number: int) -> str:
        """Name a range by its number: "16-63", "1024+", or the one value that it holds."""
        first = self.starts[number]
        if number + 1 == len(self.starts):
            return f"{first}+"
        last = self.starts[number + 1] - 1
        return str(first) if first == last else f"{first}-{last}"

    def number(self, count: int) -> int:
        """Give the number of the range that a count lies in."""
        return max(0, bisect_right(self.starts, count) - 1)

    def sql(self, expression: str) -> str:
        """Write `number` in SQL."""
        cases = " ".join(f"WHEN {expression} < {start} THEN {number}" for number, start in enumerate(self.starts[1:]))
        return f"CASE {cases} ELSE {len(self.starts) - 1} END"


_FRAMES = (1, 16, 64, 256, 1024)
LENGTH = Slice("length", _FRAMES)
POSITION = Slice("position", _FRAMES)
BATCH = Slice("batch", (1, 2, 8, 32))
SLICES = (LENGTH, POSITION, BATCH)
