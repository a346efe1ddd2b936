"""The promise watched while it is kept: a share of the answers is run again alone, and the bits are compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from service.live_check.capsule_folder import CapsuleFolder
from service.live_check.inspector import Inspector
from service.live_check.worker import LiveCheck, LiveCheckPolicy

if TYPE_CHECKING:
    from service.background import Failures
    from service.metrics import Metrics

__all__ = ["LiveCheck", "live_check"]


def live_check(
    ratio: float, capsule_dir: Path | None, piece_frames: int, metrics: Metrics, failures: Failures
) -> LiveCheck:
    """Put a live check together, to be entered as a context.

    Args:
        ratio: share of the answers that is checked.
        capsule_dir: where answers that differed are kept; made where it isn't there.
        piece_frames: longest piece in which a sequence is run again: a check takes no larger runs than the server.
        metrics: where outcomes are counted.
        failures: where what fails beside the model is counted.

    Raises:
        OSError: the folder can't be made or written to.

    """
    folder = None if capsule_dir is None else CapsuleFolder(path=capsule_dir)
    if folder is not None:
        folder.prepare()
    return LiveCheck(LiveCheckPolicy(ratio=ratio), Inspector(folder, piece_frames=piece_frames), metrics, failures)
