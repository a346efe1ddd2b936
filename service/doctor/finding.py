"""One finding of a check: what was looked at, what is there, whether that is right, and what to do if it isn't."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

# The part of a URL that may hold a password.
_USER_INFO = re.compile(r"(?<=://)[^/@\s]*@")


class Verdict(StrEnum):
    """Whether a server can work with it: `note` is for what works, but not as well as it could."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding. A text that belongs to no verdict but OK has a `remedy`."""

    area: str
    what: str
    found: str
    verdict: Verdict = Verdict.OK
    remedy: str = ""


def without_secrets(text: str) -> str:
    """Return a text without names and passwords in its URLs."""
    return _USER_INFO.sub("***@", text)


def size(count: float) -> str:
    """Return a number of bytes in words: "1.5 GiB"."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.4g} TiB"
