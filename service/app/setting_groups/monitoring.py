"""The settings of what is checked, kept and measured of answers."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from service.observers.feedback.policy import WINDOWS


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
