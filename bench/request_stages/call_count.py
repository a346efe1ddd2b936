"""The count of function calls on this thread: unlike a time, it is the same on every machine and in every run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class CallCount:
    """Calls of functions, generators and coroutines that are written in Python, and of those written in C."""

    def __init__(self) -> None:
        self.python = self.c = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count within the block, which takes several times as long."""
        sys.setprofile(self._event)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _event(self, _frame: object, kind: str, _argument: Any) -> None:
        if kind == "call":
            self.python += 1
        elif kind == "c_call":
            self.c += 1
