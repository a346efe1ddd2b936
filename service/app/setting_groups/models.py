"""The settings of models and versions."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


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
