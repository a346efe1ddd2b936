"""Everything that a run found, as claims.json: where and when, all verdicts, and the figures of every seed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from claims.catalogue import CLAIMS
from claims.claim import Measured
from claims.judged import JudgedClaim, judged
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


def read(file: Path, only: Sequence[int] = ()) -> Record:
    """Return the run of a claims.json, its figures judged by today's rules: all claims, or `only` these.

    Raises ValueError for a file that no run has written, or that lacks one of the claims.
    """
    try:
        found = json.loads(file.read_text("utf-8"))
        # A rule knows what was measured, and nothing of seeds.
        runs = {each["number"]: [_without_seed(run) for run in each["runs"]] for each in found["claims"]}
        return Record(
            claims=[judged(CLAIMS[number], found["seeds"], runs[number]) for number in sorted(set(only)) or runs],
            seeds=found["seeds"],
            quick=found["quick"],
            date=found["date"],
            environment=Environment(**found["environment"]),
        )
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{file} is not the claims.json of a run with these claims") from error


def _without_seed(run: dict[str, Any]) -> Measured:
    return {name: value for name, value in run.items() if name != "seed"}
