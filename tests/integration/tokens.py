"""Tokens of tests: a file of one token for each role, and of more that tests name."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.servers import RunningServer

# The token of each client is its name and this, so that a test can look for it in all that a server writes.
SECRET = "s3cr3t-7f1b"  # noqa: S105  # of tests
ROLES: Mapping[str, tuple[str, ...]] = {role: (role,) for role in ("infer", "feedback", "monitor", "admin")}


def token_of(name: str) -> str:
    return f"{name}-{SECRET}"


def line_of(name: str, roles: Iterable[str], rest: str = "") -> str:
    digest = hashlib.sha256(token_of(name).encode()).hexdigest()
    listed = ", ".join(f'"{role}"' for role in roles)
    return f'tokens.{name} = {{ roles = [{listed}], sha256 = "{digest}"{rest} }}\n'


def write_tokens(file: Path, clients: Mapping[str, Iterable[str]] = ROLES, *, more: str = "") -> Path:
    # Written whole, as an operator's tools do: the server may look at any moment.
    new = file.with_suffix(".new")
    new.write_text("".join(line_of(name, roles) for name, roles in clients.items()) + more)
    new.chmod(0o644)
    new.replace(file)
    return file


def bearer(name: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token_of(name)}"),)


def over_http(server: RunningServer, verb: str, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    """Return status, headers and text of an answer."""
    connection = http.client.HTTPConnection(server.http)
    try:
        connection.request(verb, path, body=b"{}" if verb == "POST" else None, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
    finally:
        connection.close()
