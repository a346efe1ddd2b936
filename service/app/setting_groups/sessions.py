"""The settings of open streams: how many, how long, and the tokens with which they go on."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


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
