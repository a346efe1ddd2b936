"""What came of a run, by the kind of fault that was going on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Row:
    """One kind of fault: what ended, came, and went wrong while it was done and mended."""

    sequences: int = 0
    answers: int = 0
    lost: int = 0
    changed: int = 0
    doubled: int = 0
    resumed: int = 0
    longest_pause_seconds: float = 0.0


@dataclass(kw_only=True)
class Tally:
    """All rows, and who answered what."""

    rows: dict[str, Row] = field(default_factory=dict)
    labels: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    phase: str = ""
    ids: set[str] = field(default_factory=set)

    @property
    def row(self) -> Row:
        """Return the row of what is going on."""
        return self.rows.setdefault(self.phase, Row())

    @property
    def is_clean(self) -> bool:
        """Return whether nothing was lost, changed or doubled."""
        return not any(row.lost or row.changed or row.doubled for row in self.rows.values())

    def answered(self, prediction_id: str, *, same: bool, seconds: float) -> None:
        """Count an answer, and how long it took."""
        row = self.row
        row.answers += 1
        row.changed += not same
        row.doubled += prediction_id in self.ids
        row.longest_pause_seconds = max(row.longest_pause_seconds, seconds)
        self.ids.add(prediction_id)

    def lost(self, error: Exception) -> None:
        """Count a sequence that ended too early."""
        self.row.lost += 1
        self.errors.append(f"{self.phase}: {type(error).__name__} {error}")
