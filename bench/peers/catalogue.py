"""Which servers are measured: how each is installed and started, and in which ways it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.peers.apis import JSON, MOSEC, OPEN_INFERENCE, OWN, RAY, REST, Api

REQUIREMENTS = Path(__file__).parent / "requirements"
LOOP = "the model in a loop, no server"
REFERENCE = "minimal grpc.aio"
_SERVE = ("-m", "soloist.cli.main", "serve", "--repository", "{repository}", "--host", "127.0.0.1")
_PORTS = ("--grpc-port", "{port}", "--http-port", "{http_port}", "--log-level", "warning")
_NO_LOGS: Mapping[str, str] = {}


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One server.

    `arguments` follow the Python of its environment, with places for `model`, `repository`, `port` and `http_port`.
    `unary` are the rows of its tables; those whose API isn't gRPC ask the HTTP port if there are two.
    """

    name: str
    arguments: tuple[str, ...]
    unary: Mapping[str, Api]
    stream: str | None = None  # its row, if it takes streams of our own API
    requirements: str | None = None  # a file of REQUIREMENTS; None: the environment of this program
    two_ports: bool = False
    restarted: bool = False  # each round: it doesn't outlive being stopped for long
    environment: Mapping[str, str] = field(default_factory=dict)


def _script(module: str, *more: str) -> tuple[str, ...]:
    places = ("--model", "{model}", "--port", "{port}", "--http-port", "{http_port}")
    return ("-m", f"bench.peers.servers.{module}", *places, *more)


PEERS = (
    Peer(name="grpc-aio", arguments=_script("grpc_aio"), unary={REFERENCE: OWN}, stream=REFERENCE),
    Peer(
        name="grpc-threads",
        arguments=_script("grpc_threads"),
        unary={"minimal grpcio, threads": OWN},
        stream="minimal grpcio, threads",
    ),
    Peer(
        name="bare-httpunk",
        arguments=_script("bare_httpunk"),
        unary={"bare httpunk + model": OWN},
        stream="bare httpunk + model",
    ),
    Peer(
        name="soloist",
        arguments=(*_SERVE, *_PORTS, "--transport", "grpc"),
        unary={
            "Soloist, grpc.aio": OWN,
            "Soloist, grpc.aio, Open Inference": OPEN_INFERENCE,
            "Soloist, REST": REST,
        },
        stream="Soloist, grpc.aio",
        two_ports=True,
    ),
    Peer(
        name="soloist-httpunk",
        arguments=(*_SERVE, *_PORTS, "--transport", "httpunk"),
        unary={"Soloist, httpunk": OWN, "Soloist, httpunk, Open Inference": OPEN_INFERENCE},
        stream="Soloist, httpunk",
        two_ports=True,
    ),
    Peer(name="mosec", arguments=_script("mosec_server"), unary={"Mosec": MOSEC}, requirements="mosec.txt"),
    Peer(
        name="mosec-batched",
        arguments=_script("mosec_server", "--merge", "ignoring-padding"),
        unary={"Mosec, batched, padding ignored": MOSEC},
        requirements="mosec.txt",
    ),
    Peer(
        name="mosec-lengths",
        arguments=_script("mosec_server", "--merge", "with-lengths"),
        unary={"Mosec, batched, lengths given": MOSEC},
        requirements="mosec.txt",
    ),
    Peer(
        name="kserve",
        arguments=_script("kserve_server"),
        unary={"KServe": OPEN_INFERENCE},
        requirements="kserve.txt",
        two_ports=True,
    ),
    Peer(
        name="mlserver",
        arguments=_script("mlserver_server"),
        unary={"MLServer": OPEN_INFERENCE},
        requirements="mlserver.txt",
        two_ports=True,
    ),
    Peer(name="litserve", arguments=_script("litserve_server"), unary={"LitServe": JSON}, requirements="litserve.txt"),
    Peer(
        name="ray",
        arguments=_script("ray_server"),
        unary={"Ray Serve": RAY},
        requirements="ray.txt",
        restarted=True,
        environment={"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"},
    ),
)
SOLOIST = frozenset(row for peer in PEERS if peer.arguments[: len(_SERVE)] == _SERVE for row in peer.unary)
# Not tried, and why.
LEFT_OUT = {"TorchServe": "needs Java and PyTorch beside Python, and is no longer maintained"}


def version_of(peer: Peer) -> str:
    """Return the pinned version of what a peer is about, as pip writes it."""
    if peer.requirements is None:
        return ""
    package = peer.requirements.removesuffix(".txt") + "=="
    lines = (REQUIREMENTS / peer.requirements).read_text().splitlines()
    return next((line for line in lines if line.startswith(package)), "")
