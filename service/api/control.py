"""What operators change of the server itself: what it logs, and whether it takes calls."""

from __future__ import annotations

from typing import Protocol


class Control(Protocol):
    """The changes, of a server of one process, or of all processes of a server together."""

    @property
    def call_count(self) -> int:
        """Return the calls in progress in this process."""

    async def set_log_level(self, level: str, fallback_seconds: float) -> str:
        """Log from a level on, "" for that of the settings, and fall back to that; 0: never. Return the level."""

    async def set_ready(self, ready: bool) -> None:
        """Tell those who ask that the server isn't ready, or no longer tell them so."""

    async def stop(self) -> None:
        """Begin the drain that SIGTERM begins; does nothing while it drains."""
