"""Every setting of the server, by group: its name, type, bounds, default, and what it does. Units are in the names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import NoDecode

from service.app.process_resources import usable_processors
from service.core.addresses import parse_address, parse_hosts
from service.observers.feedback.policy import WINDOWS


class ModelSettings(BaseModel):
    """Which versions are served, and when they are loaded."""

    model_config = ConfigDict(title="Models and versions")

    repository: Path = Field(description="Folder of models: <model>/<version>/model.onnx.")
    version_policy: str = Field(
        "latest:1",
        pattern=r"^(all|latest:[1-9][0-9]*|[1-9][0-9]*(,[1-9][0-9]*)*)$",
        description='Versions to serve if config.pbtxt names none: "latest:N", "all" or "1,3".',
    )
    ready_when: str = Field(
        "any",
        min_length=1,
        description='Models that must be loaded before the server is ready: "any" of them, "all", or names: "a,b".',
    )
    load_timeout_seconds: float = Field(
        120.0, gt=0, allow_inf_nan=False, description="The load of a model that takes longer is abandoned."
    )
    load_trial: bool = Field(
        True,
        description="Load every version in a process of its own first: a file that crashes it, or takes too much time "
        "or memory, is refused.",
    )
    max_load_bytes: int = Field(
        16 * 2**30, ge=2**20, description="Most memory of such a trial load; it has half of load_timeout_seconds."
    )
    max_model_bytes: int = Field(
        4 * 2**30, ge=1, description="Most bytes of a version's graph and weights; a larger version is refused."
    )
    max_model_nodes: int = Field(
        100_000, ge=1, description="Most nodes of a graph, those of functions counted at every call; more are refused."
    )
    links: Literal["follow", "inside"] = Field(
        "follow",
        description='Links in the repository: "follow" all of them, or refuse those that lead out: "inside".',
    )
    repository_poll_seconds: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="Time between two polls for new versions; 0 for no polling."
    )
    certify_seconds: float = Field(
        3.0, ge=0, description="Time for the certificate check of a model that was exported on another machine."
    )


class ListeningSettings(BaseModel):
    """Where the server listens, and how it stops."""

    model_config = ConfigDict(title="Listening and stopping")

    host: Annotated[tuple[str, ...], NoDecode, BeforeValidator(parse_hosts)] = Field(
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


_FEATURES = "(admin|monitoring|reflection)"


class AccessSettings(BaseModel):
    """Who may call what."""

    model_config = ConfigDict(title="Access")

    tokens_file: Path | None = Field(
        None, description="TOML file of tokens, certificates and their roles; without it whoever gets here may call."
    )
    enable: str = Field(
        "none",
        pattern=f"^(none|all|{_FEATURES}(,{_FEATURES})*)$",
        description='What is off otherwise: "admin", "monitoring", "reflection", several of them ("a,b") or "all".',
    )
    admin_address: Annotated[str | None, AfterValidator(parse_address)] = Field(
        None, description="HOST:PORT or unix:PATH where all methods are on, and admin and monitoring nowhere else."
    )


class BatchingSettings(BaseModel):
    """How many sequences share a run of a model, and how long it may take."""

    model_config = ConfigDict(title="Batching")

    workers: int = Field(
        default_factory=usable_processors,
        ge=1,
        description="Runs at once, each on one thread.",
        json_schema_extra={"default": "the processors that the server may use"},
    )
    max_batch_size: int = Field(32, ge=1, description="Most sequences that share a run.")
    max_batch_frames: int = Field(4096, ge=1, description="Most frames of a run, padding included.")
    max_slice_frames: int = Field(
        256, ge=1, description="Longer sequences run in slices of this length, if the certificate allows it."
    )
    max_joined_chunks: int = Field(
        32,
        ge=1,
        description="Most chunks of one stream, sent ahead, that share a run, if the certificate allows it; 1: none.",
    )
    max_run_seconds: float = Field(
        60.0, gt=0, allow_inf_nan=False, description="A run that takes longer is ended: RUN_TOO_LONG."
    )
    max_inline_seconds: float = Field(
        0.001,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Longest that short runs hold the event loop in one turn of it; 0: every run is on a thread.",
    )
    max_gather_seconds: float = Field(
        0.005,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Longest that a run waits for requests whose message is about to be there; 0: it waits for none.",
    )
    max_queued_requests: int = Field(
        1024, ge=1, description="Most requests that wait for a model; more are refused: QUEUE_FULL."
    )
    batch_uncertified: bool = Field(
        False, description="Also batch models without a certificate; neighbours may then change their answers."
    )


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


class SessionSettings(BaseModel):
    """Limits of open streams and of the memory of their states."""

    model_config = ConfigDict(title="Sessions")

    max_sessions: int = Field(10_000, ge=1, description="Most open streams and sequences: TOO_MANY_SESSIONS.")
    max_sessions_per_client: int = Field(
        8_000,
        ge=1,
        description="Most of them for one client, by token or certificate, else by address: CLIENT_LIMIT.",
    )
    max_state_bytes: int = Field(
        2**30, ge=1, description="Most memory of their states, and of answers kept for repeats: SESSION_STATE_FULL."
    )
    max_state_bytes_per_client: int = Field(
        800 * 2**20,
        ge=1,
        description="Most of it for one client, by token or certificate, else by address: CLIENT_LIMIT.",
    )
    session_idle_seconds: float = Field(
        300.0,
        gt=0,
        description="A call or sequence that sends nothing or takes no answer for this long ends: SESSION_IDLE.",
    )
    # Longer than a live source pauses between two chunks, and a tenth of what it may pause while there is room.
    evict_after_idle_seconds: float = Field(
        30.0,
        ge=0,
        description="When there is no room, the stream or sequence idle longest ends, after this long at least: "
        "SESSION_EVICTED. inf: never.",
    )


class ResumeSettings(BaseModel):
    """Resume tokens, with which any server that has the keys continues a stream."""

    model_config = ConfigDict(title="Resume tokens")

    keys_file: Path | None = Field(
        None, description="Keys that tokens are sealed with, from `soloist keys new`; without it there are no tokens."
    )
    resume_token_seconds: float = Field(
        3600.0, gt=0, le=31_536_000, description="How long a token can be used: RESUME_TOKEN_EXPIRED."
    )
    max_resume_token_bytes: int = Field(
        2**20, ge=1024, description="Largest token; versions with more state get none: RESUME_STATE_TOO_LARGE."
    )
    max_stream_age_seconds: float = Field(
        0.0,
        ge=0,
        le=2_000_000,
        description="Older streams with tokens are ended with one, up to a tenth sooner: STREAM_TOO_OLD; 0: never.",
    )


class LiveCheckSettings(BaseModel):
    """How many answers are run again to check them, and what shadow versions may take."""

    model_config = ConfigDict(title="Live check and shadow")

    # One in a hundred costs one run more per hundred answers. At an answer a second a fault shows within minutes.
    live_check_ratio: float = Field(
        0.01, ge=0, le=1, description="Share of batched or sliced answers that are run again alone; 0 for none."
    )
    repro_bundle_dir: Path | None = Field(
        None,
        description="Folder for repro bundles of answers that differed, inputs included. Unset: they are only logged.",
    )
    shadow_core_ratio: float = Field(0.5, gt=0, le=1, description="Share of one core that shadow versions may take.")


class FeedbackSettings(BaseModel):
    """Which answers and labels are kept, for how long, and how accuracy is counted."""

    model_config = ConfigDict(title="Prediction log and accuracy")

    prediction_log: Path | None = Field(
        None, description="SQLite file of answers and labels, on a local disk; without it there is no feedback."
    )
    prediction_log_flush_seconds: float = Field(
        0.5, gt=0, le=60, description="Time between two writes: a kill loses the answers since the last one."
    )
    prediction_log_max_age_seconds: float = Field(
        604_800.0, gt=0, allow_inf_nan=False, description="How long answers and their labels are kept."
    )
    prediction_log_max_rows: int = Field(1_000_000, ge=1, description="Most answers that are kept.")
    prediction_log_max_labels_per_client: int = Field(
        4_000_000,
        ge=1,
        description="Most labels of kept answers that one client, by token or certificate, else by address, reports.",
    )
    prediction_log_max_queued_rows: int = Field(
        10_000, ge=1, description="Most answers that wait to be written; more are dropped and counted."
    )
    accuracy_windows: str = Field(
        "5m,1h,1d", pattern=WINDOWS, description='Windows that accuracy is counted over, in "s", "m", "h" or "d".'
    )
    accuracy_refresh_seconds: float = Field(
        5.0, gt=0, allow_inf_nan=False, description="Shortest time between two counts of accuracy."
    )


class SkewSettings(BaseModel):
    """How much traffic is measured for normaliser skew, and how much of it is kept."""

    model_config = ConfigDict(title="Normaliser skew")

    # As for live_check_ratio: one sequence more per hundred, off the request path.
    skew_probe_ratio: float = Field(
        0.01, ge=0, le=1, description="Share of sequences whose normaliser inputs are measured; 0 for none."
    )
    skew_core_ratio: float = Field(0.1, gt=0, le=1, description="Share of one core that measuring may take.")
    skew_half_life_seconds: float = Field(
        600.0, gt=0, allow_inf_nan=False, description="Age at which a measured frame counts half."
    )
    skew_keep_sequences: int = Field(
        0, ge=0, description="Measured sequences of a version that are kept in memory for recalibration."
    )
    skew_keep_bytes: int = Field(64 * 2**20, ge=1, description="Most memory that a version's kept sequences take.")


class LoggingSettings(BaseModel):
    """The log on stderr, and what is written and sent of each call."""

    model_config = ConfigDict(title="Logging and tracing")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")
    log_format: Literal["console", "json"] = Field("console", description="Form of a log line.")
    access_log: Path | None = Field(
        None, description="File that gets one JSON line a call, opened again when it is rotated; - is standard output."
    )
    tracing: bool = Field(
        False, description="Send traces by OpenTelemetry, as the OTEL_* variables say (extra [otel])."
    )
    core_dumps: bool = Field(
        False, description="Let a crash leave a core dump, which holds what users sent, as the system's limits say."
    )
