"""Core dumps: none by default, since the memory of a server holds what users sent, and its keys."""

from __future__ import annotations

import ctypes
import resource
import sys
from contextlib import suppress

_PR_SET_DUMPABLE = 4


def forbid_core_dumps() -> None:
    """Let this process leave no core dump, and let no other process of its user read its memory.

    The limit is for dumps that go to a file. The kernel ignores it for those that go to a program, as to
    systemd-coredump, so on Linux the process also says that it can't be dumped.
    """
    with suppress(OSError, ValueError):  # it is never forbidden to ask for less
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)
