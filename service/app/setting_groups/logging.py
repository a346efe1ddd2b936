"""The settings of the log, the access log and traces."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


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
