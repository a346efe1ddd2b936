"""Everything that a run found, as claims.json: where and when, all verdicts, and the figures of every seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from claims.judged import JudgedClaim
from demo.environment import Environment, this_environment


@dataclass(frozen=True, kw_only=True)
class Record:
    """A run of `soloist claims`."""

    claims: Sequence[JudgedClaim]
    seeds: Sequence[int]
    quick: bool
    date: str
    environment: Environment

    def as_json(self) -> dict[str, Any]:
        """Return everything; intervals are those of 95 %."""
        return {
            "quick": self.quick,
            "seeds": list(self.seeds),
            "date": self.date,
            "environment": dataclasses.asdict(self.environment),
            "claims": [claim.as_json() for claim in self.claims],
        }


def record(claims: Sequence[JudgedClaim], seeds: Sequence[int], *, quick: bool) -> Record:
    """Return what was found, with today's date and this machine."""
    today = datetime.now(UTC).date().isoformat()
    return Record(claims=claims, seeds=seeds, quick=quick, date=today, environment=this_environment())
