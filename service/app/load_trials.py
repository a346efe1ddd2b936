"""The trial loads of this server, by its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.engine.model_file import ModelLimits
from service.loading.trials import TrialPolicy, Trials

if TYPE_CHECKING:
    from service.app.settings import Settings


def load_trials(settings: Settings) -> Trials | None:
    """Return what loads files on trial; None if files are loaded without."""
    if not settings.load_trial:
        return None
    limits = ModelLimits(max_bytes=settings.max_model_bytes, max_nodes=settings.max_model_nodes)
    seconds = settings.load_timeout_seconds / 2
    return Trials(TrialPolicy(seconds=seconds, load_bytes=settings.max_load_bytes, limits=limits))


def started_trials(settings: Settings) -> Trials | None:
    """Return the same with its process started: its imports and those of the server go side by side."""
    trials = load_trials(settings)
    if trials is not None:
        trials.start()
    return trials
