"""The causes that operators see: one printable line of bounded length, whatever a file had in it."""

from __future__ import annotations

_MOST_CHARACTERS = 500


def in_one_line(text: str) -> str:
    """Return a text with blanks for line ends, and without what can't be shown or sent."""
    # The name of a file may not be UTF-8, but messages and the log must be.
    shown = " ".join(text[: 8 * _MOST_CHARACTERS].encode(errors="replace").decode().split())
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in shown)
    return shown if len(shown) <= _MOST_CHARACTERS else f"{shown[:_MOST_CHARACTERS]}…"
