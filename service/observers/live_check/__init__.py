"""The live check of the promise: a share of the answers is run again alone, and the bits are compared."""

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
    """Return a live check, to be entered as a context.

    Args:
        ratio: the share of the answers that are checked.
        repro_bundle_dir: where answers that differed are stored; created if missing.
        piece_frames: the longest piece in which a sequence is run again, so that its runs aren't larger than the
        server's.
        metrics: where outcomes are counted.
        failures: where failures other than the model's are counted.

    Raises:
        OSError: the folder can't be created or written to.

    """
    folder = None if repro_bundle_dir is None else ReproBundleFolder(path=repro_bundle_dir)
    if folder is not None:
        folder.prepare()
    return LiveCheck(LiveCheckPolicy(ratio=ratio), Inspector(folder, piece_frames=piece_frames), metrics, failures)
