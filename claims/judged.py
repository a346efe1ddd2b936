"""A claim with its verdict, and everything it was made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from claims.claim import Claim, Measured
from claims.texts import CONTROL_FAILED
from claims.verdict import Judgement, Verdict


@dataclass(frozen=True, kw_only=True)
class JudgedClaim:
    """The outcome of one claim. `measured` are the figures of each seed, in the order of `seeds`."""

    number: int
    judgement: Judgement
    seeds: Sequence[int]
    measured: Sequence[Measured]

    def as_json(self) -> dict[str, Any]:
        """Return everything."""
        runs = [{"seed": seed, **each} for seed, each in zip(self.seeds, self.measured, strict=True)]
        return {"number": self.number, **dataclasses.asdict(self.judgement), "runs": runs}


def judged(claim: Claim, seeds: Sequence[int], measured: Sequence[Measured]) -> JudgedClaim:
    """Apply a claim's rule. An experiment whose control did not come out the other way shows nothing."""
    judgement = claim.judge(measured)
    if not judgement.control.held:
        judgement = dataclasses.replace(judgement, verdict=Verdict.NOT_SHOWN, reason=CONTROL_FAILED)
    return JudgedClaim(number=claim.number, judgement=judgement, seeds=seeds, measured=measured)
