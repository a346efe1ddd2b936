"""`python -m service.loading.trial_host`: the process whose children load files on trial, each with bounds of its own.

It has imported what a load needs, and nothing else happens in it, so that a child is a fork and takes milliseconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import signal
import socket
import sys
from pathlib import Path

from service.engine.model_file import ModelFileError, ModelLimits
from service.loading.manifest import ManifestError
from service.loading.servable import LoadPolicy, load_servable

MOST_REQUEST_BYTES = 64 * 1024
_MOST_CAUSE_CHARACTERS = 2000
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# What its allocators say if there is no memory left.
_NO_MEMORY = ("bad_alloc", "bad allocation", "allocate memory", "unable to allocate")


class _Host:
    """The children by the socket to whoever waits for one; that it is closed ends its child."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._waiting: dict[socket.socket, int] = {}
        self._selector = selectors.DefaultSelector()
        self._woken, wake = socket.socketpair()
        for each in (self._woken, wake):
            each.setblocking(False)
        self._wake = wake
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self._selector.register(control, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve until the other end of the control socket is closed; then no child is left."""
        while True:
            for key, _ in self._selector.select():
                found = key.fileobj
                if found is self._woken:
                    self._woken.recv(4096)
                elif found is self._control:
                    if not self._take():
                        self._end_all()
                        return
                elif isinstance(found, socket.socket) and found in self._waiting:
                    os.kill(self._waiting[found], signal.SIGKILL)  # nobody waits any more
                    self._selector.unregister(found)
            self._reap()

    def _take(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._control, MOST_REQUEST_BYTES, 1)
        if not message or not descriptors:
            return False
        answers = socket.socket(fileno=descriptors[0])
        child = os.fork()
        if child == 0:
            self._become_child(message, answers)
        self._waiting[answers] = child
        self._selector.register(answers, selectors.EVENT_READ)
        return True

    def _become_child(self, message: bytes, answers: socket.socket) -> None:
        try:
            signal.set_wakeup_fd(-1)
            for each in (self._control, self._woken, self._wake, *self._waiting):
                each.close()
            answers.sendall(json.dumps(_tried(json.loads(message))).encode() + b"\n")
        finally:
            os._exit(0)

    def _reap(self) -> None:
        """Tell those that wait how their children ended."""
        for answers, child in list(self._waiting.items()):
            found, status = os.waitpid(child, os.WNOHANG)
            if not found:
                continue
            del self._waiting[answers]
            with contextlib.suppress(KeyError):
                self._selector.unregister(answers)
            with answers, contextlib.suppress(OSError):
                answers.sendall(json.dumps({"exit_code": os.waitstatus_to_exitcode(status)}).encode() + b"\n")

    def _end_all(self) -> None:
        for child in self._waiting.values():
            os.kill(child, signal.SIGKILL)


def _tried(request: dict[str, object]) -> dict[str, object]:
    """Load a file within its bounds, and return its SHA-256 or why it can't be loaded."""
    most_bytes, seconds = int(str(request["load_bytes"])), float(str(request["seconds"]))
    _bound(most_bytes, seconds)
    limits = ModelLimits(max_bytes=int(str(request["max_bytes"])), max_nodes=int(str(request["max_nodes"])))
    policy = LoadPolicy(batch_uncertified=False, certify_seconds=0, limits=limits)
    too_large = f"it takes more memory than max_load_bytes ({most_bytes}): raise that setting if you trust the file"
    try:
        servable = load_servable(
            Path(os.fsdecode(bytes.fromhex(str(request["path"])))), policy, name="trial", version=1
        )
    except MemoryError:
        return {"cause": too_large}
    except RecursionError:
        return {"cause": "its manifest or configuration is nested too deep"}
    except (ModelFileError, ManifestError) as error:
        return {"cause": too_large if _is_memory(str(error)) else str(error)[:_MOST_CAUSE_CHARACTERS]}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:_MOST_CAUSE_CHARACTERS]}
    if _is_memory(servable.warm_up_fault):
        return {"cause": too_large}
    return {"sha256": servable.sha256}


def _is_memory(text: str) -> bool:
    return any(word in text.lower() for word in _NO_MEMORY)


def _bound(most_bytes: int, seconds: float) -> None:
    """Bound memory, time and files of this process, and let the system end it first if memory runs short."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    memory = pages * _PAGE_BYTES + most_bytes
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_CORE, 0),  # it would hold the weights
        (resource.RLIMIT_FSIZE, 0),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(seconds) + 2)  # should nobody be left to end it
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def main() -> None:
    """Serve the control socket whose descriptor is the argument."""
    # A terminal or a service manager may signal all processes of a server. This one ends with the server.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _Host(socket.socket(fileno=int(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
