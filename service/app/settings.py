"""The settings of this server, and the one place that reads the environment: flag, SOLOIST_*, file, default."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, ValidationError

from service.app.setting_groups.access import AccessSettings
from service.app.setting_groups.batching import BatchingSettings
from service.app.setting_groups.limits import ConnectionSettings, LimitSettings
from service.app.setting_groups.listening import ListeningSettings
from service.app.setting_groups.logging import LoggingSettings
from service.app.setting_groups.models import ModelSettings
from service.app.setting_groups.monitoring import FeedbackSettings, LiveCheckSettings, SkewSettings
from service.app.setting_groups.sequence_store import StoreSettings
from service.app.setting_groups.sessions import ResumeSettings, SessionSettings
from service.app.setting_groups.tls import TlsSettings
from service.core.files import MOST_TEXT_BYTES

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

CONFIG = "config"
_PREFIX = "SOLOIST_"


class SettingsError(Exception):
    """A setting is missing, unknown or invalid; the text says which, and where it was set."""


class Settings(
    ModelSettings,
    ListeningSettings,
    TlsSettings,
    AccessSettings,
    BatchingSettings,
    LimitSettings,
    ConnectionSettings,
    SessionSettings,
    ResumeSettings,
    StoreSettings,
    LiveCheckSettings,
    FeedbackSettings,
    SkewSettings,
    LoggingSettings,
):
    """All settings, in groups; the names are flat."""

    model_config = ConfigDict(title="Settings", frozen=True, extra="forbid")


def flag_of(name: str) -> str:
    """Return the flag of a setting: --grpc-port."""
    return f"--{name.replace('_', '-')}"


def variable_of(name: str) -> str:
    """Return the environment variable of a setting: SOLOIST_GRPC_PORT."""
    return f"{_PREFIX}{name.upper()}"


def load_settings(flags: Mapping[str, object]) -> Settings:
    """Load the settings; `flags` win. The file is the flag `config`, or else SOLOIST_CONFIG.

    Raises:
        SettingsError: a setting is missing, unknown or invalid, or the file can't be read.

    """
    flags = dict(flags)
    flag, variable = flags.pop(CONFIG, None), os.environ.get(variable_of(CONFIG))
    file = Path(str(flag or variable)) if flag or variable else None
    try:
        in_file = _read(file) if file else {}
    except (OSError, ValueError, RecursionError) as error:  # no such file, or no TOML
        named = flag_of(CONFIG) if flag else variable_of(CONFIG)
        raise SettingsError(f"{file}: {error} (the file of {named})") from error
    variables = {name: os.environ[variable] for name, variable in _variables().items()}
    try:
        return Settings(**{**in_file, **variables, **flags})
    except ValidationError as error:
        problems = [_sentence(problem, flags, file, in_file) for problem in error.errors()]
        raise SettingsError("; ".join(problems)) from None


def sources(flags: Mapping[str, object]) -> Mapping[str, str]:
    """Return where each setting has its value from: its flag, its variable, the path of the file, or "default"."""
    flags = dict(flags)
    file = flags.pop(CONFIG, None) or os.environ.get(variable_of(CONFIG))
    in_file = _read(Path(str(file))) if file else {}
    variables = _variables()

    def source(name: str) -> str:
        if name in flags:
            return flag_of(name)
        return variables.get(name) or (str(file) if name in in_file else "default")

    return {name: source(name) for name in Settings.model_fields}


def _variables() -> dict[str, str]:
    """Return the variable of each setting that has one, in upper or lower case; others may have names like ours."""
    names = {variable_of(name): name for name in Settings.model_fields}
    return {names[upper]: variable for variable in os.environ if (upper := variable.upper()) in names}


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise FileNotFoundError("there is no such file")
    if (size := file.stat().st_size) > MOST_TEXT_BYTES:
        raise ValueError(f"it has {size} bytes, and may have {MOST_TEXT_BYTES}")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _sentence(problem: ErrorDetails, flags: Mapping[str, object], file: Path | None, in_file: Mapping[str, Any]) -> str:
    name = str(problem["loc"][0])
    if problem["type"] == "missing":
        return f"{name}: field required ({flag_of(name)}, {variable_of(name)}, or {name} in the settings file)"
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, Settings.model_fields, 1)
        fault = f"there is no such setting, did you mean {near[0]}?" if near else "there is no such setting"
    else:
        fault = problem["msg"].removeprefix("Value error, ")
        fault = fault[:1].lower() + fault[1:]
    return f"{name}: {fault} ({_source(name, flags, file, in_file)})"


def _source(name: str, flags: Mapping[str, object], file: Path | None, in_file: Mapping[str, Any]) -> str:
    """Return where the value of a setting was set, and to what."""
    if name in flags:
        given = flags[name]
        return " ".join(f"{flag_of(name)} {value}" for value in (given if isinstance(given, tuple) else (given,)))
    if variable := _variables().get(name):
        return f"{variable}={os.environ[variable]}"
    return f"{name} = {in_file[name]!r} in {file}"  # defaults are never wrong
