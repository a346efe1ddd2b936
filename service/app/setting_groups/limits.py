"""The settings of what callers may take: of one message, of all calls, and connections."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class LimitSettings(BaseModel):
    """Limits of one message, one call and all calls together."""

    model_config = ConfigDict(title="Limits")

    max_message_bytes: int = Field(
        16 * 2**20, ge=1024, description="Largest message; a larger one is refused: MESSAGE_TOO_LARGE."
    )
    max_sequence_frames: int = Field(
        100_000, ge=1, description="Longest sequence of one request, in frames: SEQUENCE_TOO_LONG."
    )
    max_chunk_frames: int = Field(10_000, ge=1, description="Longest chunk of a stream: CHUNK_TOO_LONG.")
    allow_non_finite: bool = Field(False, description="Let NaN and infinity in the input through to the model.")
    max_concurrent_calls: int = Field(
        12_000,
        ge=1,
        description="Most calls at once, streams included: TOO_MANY_CALLS. Health and reflection have as many more.",
    )
    max_calls_per_client: int = Field(
        0,
        ge=0,
        description="Most of them for one client, by token or certificate, else by address: CLIENT_LIMIT. "
        "0: four fifths of all.",
    )
    max_concurrent_comparisons: int = Field(4, ge=0, description="Most Compare calls at once; 0 refuses all of them.")
    max_inflight_bytes: int = Field(
        512 * 2**20,
        ge=1024,
        description="Most memory of messages in progress: MEMORY_FULL. Each counts three times its size.",
    )
    max_inflight_bytes_per_connection: int = Field(
        256 * 2**20, ge=1024, description="Most memory of messages in progress over one connection: MEMORY_FULL."
    )
    max_inflight_bytes_per_client: int = Field(
        0, ge=0, description="Most memory of messages in progress of one client: CLIENT_LIMIT. 0: four fifths of all."
    )


class ConnectionSettings(BaseModel):
    """How many connections there may be, and when a quiet one is closed."""

    model_config = ConfigDict(title="Connections")

    max_connections: int = Field(
        10_000, ge=1, description="Most connections to the gRPC port; more are closed. Open files may limit it sooner."
    )
    max_http_connections: int = Field(
        1_000,
        ge=1,
        description="Most connections to the HTTP port; then the one that waits longest for its caller is closed.",
    )
    max_connections_per_client: int = Field(
        0,
        ge=0,
        description="Most connections of one address to the gRPC port of httpunk; more are closed. 0: four fifths.",
    )
    max_http_connections_per_client: int = Field(
        0, ge=0, description="Most connections of one address to the HTTP port, likewise. 0: four fifths."
    )
    max_calls_per_connection: int = Field(
        1_000, ge=1, description="Most calls at once over one connection; clients hold back the others."
    )
    handshake_timeout_seconds: float = Field(
        20.0,
        ge=0.1,
        le=86_400,
        description="A connection that has not begun HTTP/2, or sent the head of an HTTP request, by then is closed.",
    )
    connection_idle_seconds: float = Field(
        3600.0, ge=0.1, le=2_000_000, description="A connection without a call for this long is closed."
    )
    max_connection_age_seconds: float = Field(
        0.0,
        ge=0,
        le=2_000_000,
        description="Older connections take no more calls and end with their last; 0: never.",
    )
    keepalive_seconds: float = Field(
        60.0, ge=0.01, le=86_400, description="The server pings a connection that was quiet for this long."
    )
    keepalive_timeout_seconds: float = Field(
        20.0, ge=0.01, le=86_400, description="A connection that does not answer a ping in this time is closed."
    )
    # Keepalive intervals are seconds even if set to be short; answering ten pings a second costs nothing.
    min_ping_interval_seconds: float = Field(
        0.1,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="Connections that ping more often are closed; 0 allows any rate.",
    )
