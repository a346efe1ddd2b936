"""The settings of the sequence store."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class StoreSettings(BaseModel):
    """Where the sequences of the Open Inference Protocol are kept, so that any server that shares it goes on."""

    model_config = ConfigDict(title="Sequence store")

    sequence_store: str | None = Field(
        None,
        min_length=1,
        description="Redis or Valkey: redis://host:port/db, rediss:// with TLS, or unix:///path. Without it sequences "
        "are in the memory of the server.",
    )
    sequence_store_password_file: Path | None = Field(
        None, description="File with its password: a flag is seen in the list of processes."
    )
    sequence_store_ca: Path | None = Field(
        None,
        description="Certificates, PEM, one of which must have signed that of rediss://; else those of the system.",
    )
    sequence_store_timeout_seconds: float = Field(
        1.0, gt=0, le=60, description="How long it may take to answer: SEQUENCE_STORE_UNAVAILABLE."
    )
    sequence_store_plaintext: bool = Field(
        False, description="Store states without keys_file: who can read the store can read them, and change answers."
    )
    max_stored_sequence_bytes: int = Field(
        2**20,
        ge=1024,
        description="Most bytes of a sequence there, with the answer kept for a repeat: SEQUENCE_STATE_TOO_LARGE.",
    )
