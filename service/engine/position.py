"""Where in its sequence a row stands: what control inputs are told."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Whether a row begins its sequence or is known to end it, and the sequence's number or name; 0 is none."""

    starts: bool
    ends: bool
    sequence_id: int | str = 0

    def part(self, *, is_first: bool, is_last: bool) -> Position:
        """Give the position of a piece of the row."""
        if is_first and is_last:
            return self
        return replace(self, starts=self.starts and is_first, ends=self.ends and is_last)


WHOLE = Position(starts=True, ends=True)
