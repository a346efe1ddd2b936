"""`python -m service.app.process`: one process of a server that has several; its supervisor starts it."""

from __future__ import annotations

import ctypes
import json
import signal
import socket
import sys
from contextlib import suppress

from service.app.load_trials import started_trials
from service.app.settings import Settings, SettingsError
from service.app.spared import imports_spared
from service.processes.channel import Message, packed

_FAILED = 1
_WRONG_USAGE = 2
_PR_SET_PDEATHSIG = 1


def main(descriptor: int, number: int, is_again: int) -> int:
    """Serve as one of several until the supervisor or a signal ends it; the settings are on standard input."""
    _end_with_supervisor()
    sock = socket.socket(fileno=descriptor)
    own = sock.dup()  # the other one ends with the event loop, before the reason of a failure is known
    settings = Settings(**json.load(sys.stdin))
    trials = started_trials(settings)
    with imports_spared():
        from service.app.member import Member
        from service.app.server import serve
        from service.app.transports import runner
    try:
        run = runner(settings)
    except SettingsError as error:
        _tell_failure(own, str(error))
        return _WRONG_USAGE
    _tell_failure(own, serve(run, settings, trials, member=Member(number, sock, is_again=bool(is_again))))
    return _FAILED


def _end_with_supervisor() -> None:
    """Be sent SIGTERM when the supervisor dies: an event loop that hangs doesn't notice that its channel has closed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _tell_failure(sock: socket.socket, why: str) -> None:
    with suppress(OSError):  # the supervisor has gone
        sock.setblocking(True)
        sock.sendall(packed(Message(kind="failed", facts={"why": why})))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
