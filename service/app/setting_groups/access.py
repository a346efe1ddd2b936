"""The settings of who may call what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.core.addresses import parse_address

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
