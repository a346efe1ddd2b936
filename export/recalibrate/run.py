"""`soloist recalibrate` as a function: errors become a line on stderr and an exit code."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from export.errors import ExportError
from export.recalibrate.gates import Bounds
from export.recalibrate.proposal import Proposal, Request
from export.recalibrate.sample import newest
from models.data import DataError
from models.training import CheckpointError
from service.engine.model_file import ModelFileError
from service.loading.manifest import ManifestError

if TYPE_CHECKING:
    from soloist.sampled_sequences import SampledSequence

_PASSED, _FAILED, _NOT_TRIED = 0, 1, 2
_CAUSES = (ExportError, CheckpointError, DataError, ModelFileError, ManifestError, OSError, ValueError)


def run(
    *,
    sampled: Callable[[int], Sequence[SampledSequence]],
    least_sequences: float,
    least_seconds: float,
    newest_seconds: float = math.inf,
    **request: object,
) -> int:
    """Recalibrate from the sampled traffic of a version, which `sampled` gives; other arguments are those of Request.

    Only sequences count that began within `newest_seconds` of the newest. `sampled` raises ValueError or OSError where
    it can't.
    Returns 0 when every gate passed, 1 when one failed, 2 when it can't be tried.
    """
    bounds = Bounds(sequences=least_sequences, span_seconds=least_seconds)
    try:
        proposal = Proposal(Request(bounds=bounds, **request), _tell)  # type: ignore[arg-type]  # named as options are
        return _PASSED if proposal.run(newest(sampled(proposal.version), newest_seconds)) else _FAILED
    except _CAUSES as error:
        sys.stderr.write(f"soloist: {error}\n")
        return _NOT_TRIED


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
