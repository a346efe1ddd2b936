"""The promise watched while it is kept: a share of the answers is run again alone, and the bits are compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from service.observers.live_check.check import Inspector, LiveCheck, LiveCheckPolicy
from service.observers.live_check.repro_bundle import ReproBundleFolder

if TYPE_CHECKING:
    from service.core.failures import Failures
    from service.observers.live_check.metrics import LiveCheckMetrics

__all__ = ["LiveCheck", "live_check"]


def live_check(
    ratio: float, repro_bundle_dir: Path | None, piece_frames: int, metrics: LiveCheckMetrics, failures: Failures
) -> LiveCheck:
    """Put a live check together, to be entered as a context.

    Args:
        ratio: share of the answers that is checked.
        repro_bundle_dir: where answers that differed are kept; made where it isn't there.
        piece_frames: longest piece in which a sequence is run again: a check takes no larger runs than the server.
        metrics: where outcomes are counted.
        failures: where what fails beside the model is counted.

    Raises:
        OSError: the folder can't be made or written to.

    """
    folder = None if repro_bundle_dir is None else ReproBundleFolder(path=repro_bundle_dir)
    if folder is not None:
        folder.prepare()
    return LiveCheck(LiveCheckPolicy(ratio=ratio), Inspector(folder, piece_frames=piece_frames), metrics, failures)
