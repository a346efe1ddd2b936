"""The settings of runs: what shares one, and how long it may take."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from service.app.process_resources import usable_processors


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
    max_slice_seconds: float = Field(
        0.01,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="While requests come one at a time, slices are longer if they take no longer than this; 0: never.",
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
        0.002,
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
