"""The command line: one command per file, loaded when it is called."""

import os
import signal
import sys
from types import FrameType


def _end(_number: int, _frame: FrameType | None) -> None:
    # At once: nothing has begun yet, and the import in progress could swallow an exception.
    os._exit(0)


def _is_server(arguments: list[str]) -> bool:
    return arguments[:1] == ["serve"] and not {"-h", "--help"}.intersection(arguments)


if _is_server(sys.argv[1:]):
    # Before any other import: process 1 of a container ignores signals for which it has no handler.
    for _number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        # Signals that nohup and shells have set to be ignored stay ignored.
        if _number in (signal.SIGTERM, signal.SIGINT) or signal.getsignal(_number) is not signal.SIG_IGN:
            signal.signal(_number, _end)
