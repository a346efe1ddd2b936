"""A server of a command's own with TLS on both ports, the files that it reads, and one who may call it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.server.process import ServerProcess, serving
from bench.tls.caller import TlsCaller
from bench.tls.certificates import Authority, Mounted

TRANSPORTS = ("grpc", "httpunk")


@dataclass(frozen=True, kw_only=True)
class Site:
    """Who signs, what is mounted, and who calls."""

    authority: Authority
    mounted: Mounted
    caller: TlsCaller[ServerProcess]
    log: Path


@contextmanager
def secured(repository: Path, **settings: object) -> Iterator[Site]:
    """Serve a repository until the block ends; callers have to show certificates of the authority.

    Raises:
        ServerError: the server didn't start.

    """
    with TemporaryDirectory() as name:
        folder, authority = Path(name), Authority()
        mounted, log = Mounted(folder / "secret", authority.server()), folder / "server.log"
        given = {"log_format": "json", "log_level": "info", **settings, **mounted.settings()}
        with serving(repository, given, log=log) as server:
            caller = TlsCaller(server, authority.client(), folder)
            yield Site(authority=authority, mounted=mounted, caller=caller, log=log)
