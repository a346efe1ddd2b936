"""The addresses of a server: hosts, IPv6 addresses and Unix domain sockets as an operator writes them; free ports."""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

UNIX = "unix:"
_EVERY_IPV4, _EVERY_IPV6 = "0.0.0.0", "::"  # noqa: S104  # compared, not listened on
# sockaddr_un holds 108 bytes on Linux, one of them the terminating zero.
_MAX_PATH_BYTES = 107
_TRIES = 16
_LAST_PORT = 65_535


def parse_hosts(given: object) -> tuple[str, ...]:
    """Return the hosts of a list, of a text with commas, or of a JSON list, in order and without repeats.

    Raises:
        ValueError: there is none, or one is no host, IPv6 address or "unix:PATH".

    """
    if isinstance(given, str):
        given = _split(given)
    if not isinstance(given, list | tuple) or not all(isinstance(host, str) for host in given):
        raise ValueError("hosts must be a string or a list of strings")
    hosts = dict.fromkeys(_host(host.strip()) for host in given)
    if not hosts:
        raise ValueError("there must be at least one host")
    if _EVERY_IPV6 in hosts:
        hosts.pop(_EVERY_IPV4, None)  # "::" takes IPv4 too, and both can't be bound
    return tuple(hosts)


def parse_address(text: str | None) -> str | None:
    """Return an address as `at` writes it.

    Raises:
        ValueError: it is no "host:port", "[::1]:port" or "unix:PATH".

    """
    return None if text is None else at(*host_and_port(text))


def host_and_port(text: str) -> tuple[str, int]:
    """Return the host and port of an address; a Unix domain socket has port 0.

    Raises:
        ValueError: it is no "host:port", "[::1]:port" or "unix:PATH".

    """
    if is_unix(text):
        return _host(text), 0
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdecimal()) or int(port) > _LAST_PORT:
        raise ValueError(f"{text!r} is no address: write 127.0.0.1:8003, [::1]:8003 or unix:/path")
    return _host(host), int(port)


def at(host: str, port: int) -> str:
    """Return an address as clients take it: "host:port", "[::1]:port" or "unix:PATH"."""
    if is_unix(host):
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_unix(host: str) -> bool:
    """Return whether a host is a Unix domain socket, which has no port."""
    return host.startswith(UNIX)


def is_of_this_machine(host: str) -> bool:
    """Return whether only this machine reaches a host: loopback, or a socket."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or is_unix(host)


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Yield a TCP socket bound to one host, of IPv4 if a name has both; "::" takes IPv4 too.

    Raises:
        OSError: the address can't be bound.

    """
    with listening_socket(host, port) as sock:
        yield sock


def listening_socket(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a TCP socket bound to one host, as `listening`, for the caller to close.

    Raises:
        OSError: the address can't be bound.

    """
    family, address = resolve(host, port)
    # With the protocol named, asyncio sends small answers at once (TCP_NODELAY) on what is accepted.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bind(sock, address, shared=shared)
    except OSError:
        sock.close()
        raise
    return sock


def resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[object, ...]]:
    """Return the family of a host and the address to bind.

    Raises:
        OSError: there is no such host.

    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda each: each[0] is not socket.AF_INET)
    return family, address


def bind(sock: socket.socket, address: tuple[object, ...], *, shared: bool = False) -> None:
    """Bind a socket as servers do: right after another that has ended, and "::" for IPv4 too.

    With `shared`, other processes of this user may listen on the address as well, if they say so, too.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != _EVERY_IPV6)
    sock.bind(address)


def free_port(hosts: Sequence[str], port: int) -> int:
    """Return `port`, or for 0 and several hosts a port that is free on all of them.

    Raises:
        OSError: one of them can't be bound, or no port is free on all.

    """
    hosts = [host for host in hosts if not is_unix(host)]
    if port or len(hosts) < 2:
        return port
    for _ in range(_TRIES):
        with ExitStack() as stack:
            found = int(stack.enter_context(_bound(hosts[0], 0)).getsockname()[1])
            try:
                for host in hosts[1:]:
                    stack.enter_context(_bound(host, found))
            except OSError:
                continue
            return found
    for host in hosts:
        with _bound(host, 0):
            pass
    raise OSError(f"no port is free on all of {', '.join(hosts)}")


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    with ExitStack() as stack:
        try:
            sock = stack.enter_context(listening(host, port))
        except OSError as error:
            raise cannot_listen(host, port, error) from error
        yield sock


def cannot_listen(host: str, port: int, error: Exception) -> OSError:
    """Return the error for an address that can't be bound, with its cause."""
    return OSError(f"cannot listen on {at(host, port)}: {getattr(error, 'strerror', None) or error}")


def refuse_taken(host: str) -> None:
    """Check that a Unix domain socket can be created and no server listens on it: gRPC would take it over.

    Raises:
        OSError: its folder is missing, another kind of file has its name, or a server listens.

    """
    if not Path(host.removeprefix(UNIX)).parent.is_dir():
        raise OSError(f"cannot listen on {host}: there is no such folder")
    if (path := Path(host.removeprefix(UNIX))).exists() and not path.is_socket():
        raise OSError(f"cannot listen on {host}: a file that is no socket has that name")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(host.removeprefix(UNIX))
        except OSError:
            return
    raise OSError(f"cannot listen on {host}: address already in use")


def remove_socket(host: str) -> None:
    """Remove the file of a Unix domain socket; does nothing for other hosts."""
    if is_unix(host):
        with suppress(OSError):
            Path(host.removeprefix(UNIX)).unlink()


def _split(text: str) -> list[object]:
    if not text.lstrip().startswith("["):
        return list(text.split(","))
    try:
        found = json.loads(text)
    except ValueError:
        return list(text.split(","))  # [::1]
    return found if isinstance(found, list) else [found]


def _host(host: str) -> str:
    if is_unix(host):
        path = host.removeprefix(UNIX)
        if path.startswith("//"):
            path = path[2:]
        if not path or "\0" in path:
            raise ValueError(f"{host!r} has no path: write unix:/path/of/a/socket")
        if len(path.encode()) > _MAX_PATH_BYTES:
            raise ValueError(f"{host!r} is too long: a socket's path has at most {_MAX_PATH_BYTES} bytes")
        return UNIX + path
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare or bare != host:
        try:
            return str(ipaddress.IPv6Address(bare))
        except ValueError:
            raise ValueError(f"{host!r} is no host: write it without a port, as 127.0.0.1 or ::1") from None
    if not host or not host.isprintable() or any(char.isspace() or char in "/[]" for char in host):
        raise ValueError(f"{host!r} is no host: write a name, an address as 127.0.0.1 or ::1, or unix:/path")
    return host
