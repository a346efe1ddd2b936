"""The settings of where the server listens, and how it stops."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.core.addresses import parse_hosts


class ListeningSettings(BaseModel):
    """Where the server listens, and how it stops."""

    model_config = ConfigDict(title="Listening and stopping")

    host: Annotated[tuple[str, ...], BeforeValidator(parse_hosts)] = Field(
        ("127.0.0.1",),
        description="Address to listen on: a name, an IP address (0.0.0.0 and :: for all), or unix:PATH.",
    )
    transport: Literal["grpc", "httpunk"] = Field(
        "grpc", description="Library that carries gRPC: grpc.aio, or the faster httpunk with uvloop (extra [fast])."
    )
    grpc_port: int = Field(8001, ge=0, le=65535, description="Port of the gRPC APIs; 0 takes a free one.")
    processes: int = Field(
        1, ge=1, le=256, description="Server processes that share the ports, each with an engine and limits of its own."
    )
    http_port: int = Field(
        8002, ge=0, le=65535, description="Port of REST, /metrics, /healthz and /readyz; 0 takes a free one."
    )
    metrics_cache_seconds: float = Field(
        1.0, ge=0, allow_inf_nan=False, description="How long /metrics is cached; 0 builds it for every scrape."
    )
    drain_seconds: float = Field(
        30.0, ge=0, description="Time that running calls have after the first SIGTERM; then they are cut."
    )
