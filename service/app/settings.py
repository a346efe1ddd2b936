"""Every setting of the server, and the one place that reads the environment: flag, SOLOIST_*, file, default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from service.app.process_resources import usable_processors
from service.core.addresses import parse_hosts
from service.observers.feedback.policy import WINDOWS

_CONFIG = "config"
_CONFIG_VARIABLE = "SOLOIST_CONFIG"


class SettingsError(Exception):
    """A setting is missing, unknown or impossible; the text says which, and where it came from."""


class Settings(BaseSettings):
    """What an operator may choose. Units are in the names."""

    model_config = SettingsConfigDict(env_prefix="SOLOIST_", frozen=True, extra="forbid")

    repository: Path = Field(description="Folder of models: <model>/<version>/model.onnx.")
    host: Annotated[tuple[str, ...], NoDecode, BeforeValidator(parse_hosts)] = Field(
        ("127.0.0.1",), description="Addresses to listen on; 0.0.0.0 or :: for every one, unix:/path for a socket."
    )
    grpc_port: int = Field(8001, ge=0, le=65535, description="Port of the API; 0 takes a free one.")
    http_port: int = Field(8002, ge=0, le=65535, description="Port of /metrics, /healthz and /readyz.")
    metrics_kept_seconds: float = Field(
        1.0, ge=0, allow_inf_nan=False, description="How long a metrics page is kept for whoever asks next."
    )
    drain_seconds: float = Field(30.0, ge=0, description="Time for running calls after SIGTERM.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["console", "json"] = Field("console", description="How a log line is written.")

    workers: int = Field(
        default_factory=usable_processors, ge=1, description="Batches that run at once; default: processors it may use."
    )
    max_batch_size: int = Field(32, ge=1, description="Most sequences that share a run of the model.")
    max_batch_frames: int = Field(4096, ge=1, description="Most frames in a run, padding counted.")
    max_slice_frames: int = Field(
        256, ge=1, description="Longest piece of a sequence that runs at a time where the model is certified for it."
    )
    max_run_seconds: float = Field(
        60.0, gt=0, allow_inf_nan=False, description="Longest run of a model; one that takes longer is ended."
    )
    max_queued: int = Field(1024, ge=1, description="Most requests of one model that wait; more are refused.")
    batch_uncertified: bool = Field(False, description="Batch models without proof that their answers keep their bits.")

    version_policy: str = Field(
        "latest:1",
        pattern=r"^(all|latest:[1-9][0-9]*|[1-9][0-9]*(,[1-9][0-9]*)*)$",
        description='Versions that are served where a config.pbtxt does not say: "latest:N", "all" or "1,3".',
    )
    poll_seconds: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="Time between looks for new versions; 0 for none."
    )
    shadow_core_ratio: float = Field(0.5, gt=0, le=1, description="Share of one core that shadow versions may take.")

    load_seconds: float = Field(
        120.0, gt=0, allow_inf_nan=False, description="Time that a model may take to load; then it is given up."
    )
    ready_when: str = Field(
        "any",
        min_length=1,
        description='Models that calls must reach before the server is ready: "any" of them, "all", or names: "a,b".',
    )
    certify_seconds: float = Field(
        3.0, ge=0, description="Time to prove a model's bits again, at load, on another machine than its export's."
    )

    # One in a hundred: a hundred answers cost one run more, and at an answer a second a fault shows within minutes.
    live_check_ratio: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of the answers from shared or sliced runs that is run again alone; 0 for none.",
    )
    repro_bundle_dir: Path | None = Field(
        None, description="Folder for answers that differed, with the user's input; without it they are only logged."
    )

    prediction_log: Path | None = Field(
        None, description="File of answers and labels (SQLite, on a local disk); without it there is no feedback."
    )
    prediction_log_flush_seconds: float = Field(
        0.5, gt=0, le=60, description="How often answers are written to it: what a kill may cost."
    )
    prediction_log_max_age_seconds: float = Field(
        604_800.0, gt=0, allow_inf_nan=False, description="How long answers and their labels are kept."
    )
    prediction_log_max_rows: int = Field(1_000_000, ge=1, description="Most answers that are kept.")
    prediction_log_max_queued: int = Field(10_000, ge=1, description="Most answers that wait to be written.")
    accuracy_windows: str = Field(
        "5m,1h,1d", pattern=WINDOWS, description='Times that accuracy is told over, of "s", "m", "h" and "d".'
    )
    accuracy_refresh_seconds: float = Field(
        5.0, gt=0, allow_inf_nan=False, description="How often accuracy is counted anew, at most."
    )

    # As for live_check_ratio: a hundred sequences cost one more, away from those that are answered.
    skew_probe_ratio: float = Field(
        0.01, ge=0, le=1, description="Share of the sequences whose normaliser inputs are measured; 0 for none."
    )
    skew_core_ratio: float = Field(0.1, gt=0, le=1, description="Share of one core that measuring may take.")
    skew_half_life_seconds: float = Field(
        600.0, gt=0, allow_inf_nan=False, description="Time after which a measured frame counts half."
    )
    skew_keep_sequences: int = Field(
        0, ge=0, description="Measured sequences of a version whose frames are kept in memory for recalibration."
    )
    skew_keep_bytes: int = Field(64 * 2**20, ge=1, description="Most memory that a version's kept frames take.")

    max_comparisons: int = Field(4, ge=0, description="Most Compare calls at once; 0 refuses them all.")

    max_frames: int = Field(100_000, ge=1, description="Longest sequence that Predict takes, in frames.")
    max_chunk_frames: int = Field(10_000, ge=1, description="Longest chunk of a stream, in frames.")
    max_message_bytes: int = Field(16 * 2**20, ge=1024, description="Largest message that is read.")
    # Keepalive intervals are seconds, also where they are set to be short; answering ten pings a second is nothing.
    min_ping_interval_seconds: float = Field(
        0.1,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="Connections that send HTTP/2 pings more often are closed; 0 for any rate.",
    )
    keepalive_seconds: float = Field(
        60.0, ge=0.01, le=86_400, description="After so long without a sign from a connection, the server pings it."
    )
    keepalive_timeout_seconds: float = Field(
        20.0, ge=0.01, le=86_400, description="A connection that does not answer a ping for so long is closed."
    )
    connection_idle_seconds: float = Field(
        3600.0, ge=0.1, le=2_000_000, description="A connection without a call for so long is closed."
    )
    handshake_seconds: float = Field(
        20.0, ge=0.1, le=86_400, description="A connection that does not begin HTTP/2 in so long is closed."
    )
    max_connections: int = Field(10_000, ge=1, description="Most connections to the gRPC port at once.")
    max_connection_calls: int = Field(
        1_000, ge=1, description="Most calls at once over one connection; clients let more of them wait."
    )
    max_concurrent_calls: int = Field(12_000, ge=1, description="Most calls at once, streams among them.")
    max_inflight_bytes: int = Field(
        512 * 2**20, ge=1024, description="Most memory for messages under way; each counts three times its size."
    )
    max_connection_inflight_bytes: int = Field(
        256 * 2**20, ge=1024, description="Most of it that one connection may take."
    )
    allow_non_finite: bool = Field(False, description="Let NaN and infinity in the input through to the model.")

    max_sessions: int = Field(10_000, ge=1, description="Most streams that are open at once.")
    max_state_bytes: int = Field(
        2**30, ge=1, description="Most memory that the states of open streams take, with answers kept for repeats."
    )
    idle_seconds: float = Field(
        300.0, gt=0, description="A stream that says nothing, or takes no answer, for so long is ended."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the base class passes them by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: what comes first wins."""
        file = settings_cls.model_config.get("toml_file")
        toml = (TomlConfigSettingsSource(settings_cls, file),) if file else ()
        return (init_settings, env_settings, *toml)


def load_settings(flags: Mapping[str, object]) -> Settings:
    """Gather the settings; `flags` win. The file is flag `config`, else SOLOIST_CONFIG.

    Raises:
        SettingsError: something is missing, unknown or impossible, or the file can't be read.

    """
    flags = dict(flags)
    file = flags.pop(_CONFIG, None) or os.environ.get(_CONFIG_VARIABLE)
    try:
        return _with_file(str(file))(**flags) if file else Settings(**flags)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(problem) for problem in error.errors())) from None
    except (OSError, ValueError) as error:  # no such file, or no TOML
        raise SettingsError(f"{file}: {error}") from error


def _with_file(file: str) -> type[Settings]:
    if not Path(file).is_file():
        raise FileNotFoundError("there is no such file")

    class FileSettings(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    return FileSettings


def _sentence(problem: Mapping[str, object]) -> str:
    place = problem["loc"]
    name = ".".join(str(part) for part in place) if isinstance(place, tuple) else str(place)
    return f"{name}: {str(problem['msg'])[:1].lower()}{str(problem['msg'])[1:]}"
