"""The command line: one command a file, loaded when it is called."""

import os
import signal
import sys
from types import FrameType


def _end(_number: int, _frame: FrameType | None) -> None:
    # At once: nothing has begun, and an exception could be swallowed by what is being imported.
    os._exit(0)


def _is_server(arguments: list[str]) -> bool:
    return arguments[:1] == ["serve"] and not {"-h", "--help"}.intersection(arguments)


if _is_server(sys.argv[1:]):
    # Before anything else is imported: process 1 of a container doesn't even hear a signal that it has no handler for.
    for _number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        # What nohup and shells made ignored stays so.
        if _number in (signal.SIGTERM, signal.SIGINT) or signal.getsignal(_number) is not signal.SIG_IGN:
            signal.signal(_number, _end)
