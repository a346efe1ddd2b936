"""The checks of the ports: whether they can be bound, and who has those that can't."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from service.app.settings import Settings
from service.core.addresses import at, host_and_port, is_unix, listening, refuse_taken
from service.doctor.finding import Finding, Verdict

_AREA = "ports"
_PROC = Path("/proc")
_LISTENS = "0A"  # TCP_LISTEN


def ports(settings: Settings, proc: Path = _PROC) -> Iterator[Finding]:
    """Return a finding about each address that the server would listen on."""
    for host in settings.host:
        if is_unix(host):
            yield _unix(host)
            continue
        yield _tcp("gRPC", host, settings.grpc_port, proc)
        yield _tcp("HTTP", host, settings.http_port, proc)
    if settings.admin_address is not None:
        host, port = host_and_port(settings.admin_address)
        yield _unix(host) if is_unix(host) else _tcp("operators", host, port, proc)


def _tcp(what: str, host: str, port: int, proc: Path) -> Finding:
    address = at(host, port)
    try:
        with listening(host, port):
            return Finding(area=_AREA, what=what, found=f"{address} is free" if port else f"{address}: a free one")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _taken(what, address, port, proc)
        remedies = {
            errno.EACCES: "ports below 1024 need the right to bind them (CAP_NET_BIND_SERVICE): take a higher one",
            errno.EADDRNOTAVAIL: "this machine has no such address: `ip address` lists those it has",
        }
        found = f"{address}: {error.strerror or error}"
        remedy = remedies.get(error.errno or 0, "set host to an address of this machine")
        return Finding(area=_AREA, what=what, found=found, verdict=Verdict.WRONG, remedy=remedy)


def _taken(what: str, address: str, port: int, proc: Path) -> Finding:
    holders = sorted(_holders(port, proc))
    who = ", ".join(f"{name} (pid {pid})" for pid, name in holders) or "a process that this user can't see"
    if holders and all(_is_ours(pid, proc) for pid, _ in holders):
        return Finding(area=_AREA, what=what, found=f"{address} is taken by a running Soloist server: {who}")
    ours = [] if holders else [pid for pid in _processes(proc) if _is_ours(pid, proc)]
    if ours:  # it hides its files from all but root
        found = f"{address} is taken, as it seems by a running Soloist server: pid {', '.join(map(str, ours))}"
        return Finding(area=_AREA, what=what, found=found, verdict=Verdict.NOTE, remedy="to be sure, ask as root")
    found, remedy = f"{address} is taken by {who}", "end it, or choose another port"
    return Finding(area=_AREA, what=what, found=found, verdict=Verdict.WRONG, remedy=remedy)


def _unix(host: str) -> Finding:
    try:
        refuse_taken(host)
    except OSError as error:
        return Finding(
            area=_AREA, what="socket", found=str(error), verdict=Verdict.WRONG, remedy="choose another path, or end it"
        )
    return Finding(area=_AREA, what="socket", found=f"{host} is free")


def _holders(port: int, proc: Path) -> Iterator[tuple[int, str]]:
    """Yield the processes that listen on a port, by id and name. Never their arguments, which may hold secrets."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port, proc)}
    for pid in _processes(proc) if sockets else ():
        if sockets & _open_files(proc / str(pid)):
            yield pid, _text(proc / str(pid) / "comm").strip() or "?"


def _processes(proc: Path) -> list[int]:
    return sorted(int(folder.name) for folder in proc.iterdir() if folder.name.isdecimal())


def _inodes(port: int, proc: Path) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        for line in _text(proc / "net" / table).splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _open_files(folder: Path) -> set[str]:
    found = set()
    try:
        for link in (folder / "fd").iterdir():
            found.add(os.readlink(link))  # noqa: PTH115  # a Path would change socket:[…]
    except OSError:  # another user's, or gone
        pass
    return found


def _is_ours(pid: int, proc: Path) -> bool:
    words = _text(proc / str(pid) / "cmdline").split("\0")
    is_command = any(Path(word).name == "soloist" or word == "soloist.cli.main" for word in words[:4])
    return (is_command and "serve" in words) or "service.app.process" in words


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
