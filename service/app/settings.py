"""The settings of this server, and the one place that reads the environment: flag, SOLOIST_*, file, default."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

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
    BaseSettings,
):
    """All settings, in groups; the names are flat."""

    model_config = SettingsConfigDict(title="Settings", env_prefix=_PREFIX, frozen=True, extra="forbid")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the base class passes them by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources in order; the first that has a setting wins."""
        file = settings_cls.model_config.get("toml_file")
        toml = (TomlConfigSettingsSource(settings_cls, file),) if file else ()
        return (init_settings, env_settings, *toml)


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
    file = flag or variable
    try:
        return _with_file(str(file))(**flags) if file else Settings(**flags)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = [_sentence(problem, flags, Path(str(file)) if file else None) for problem in error.errors()]
        raise SettingsError("; ".join(problems)) from None
    except (OSError, ValueError, RecursionError) as error:  # no such file, or no TOML
        named = flag_of(CONFIG) if flag else variable_of(CONFIG)
        raise SettingsError(f"{file}: {error} (the file of {named})") from error


def sources(flags: Mapping[str, object]) -> Mapping[str, str]:
    """Return where each setting has its value from: its flag, its variable, the path of the file, or "default"."""
    flags = dict(flags)
    file = flags.pop(CONFIG, None) or os.environ.get(variable_of(CONFIG))
    names = tomllib.loads(Path(str(file)).read_text(encoding="utf-8")) if file else {}
    variables = {variable.lower(): variable for variable in os.environ}

    def source(name: str) -> str:
        if name in flags:
            return flag_of(name)
        return variables.get(variable_of(name).lower()) or (str(file) if name in names else "default")

    return {name: source(name) for name in Settings.model_fields}


def _with_file(file: str) -> type[Settings]:
    if not Path(file).is_file():
        raise FileNotFoundError("there is no such file")
    if (size := Path(file).stat().st_size) > MOST_TEXT_BYTES:
        raise ValueError(f"it has {size} bytes, and may have {MOST_TEXT_BYTES}")

    class FileSettings(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    return FileSettings


def _sentence(problem: Mapping[str, object], flags: Mapping[str, object], file: Path | None) -> str:
    place = problem["loc"]
    name = str(place[0]) if isinstance(place, tuple) else str(place)
    if problem["type"] == "missing":
        return f"{name}: field required ({flag_of(name)}, {variable_of(name)}, or {name} in the settings file)"
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, Settings.model_fields, 1)
        fault = f"there is no such setting, did you mean {near[0]}?" if near else "there is no such setting"
    else:
        fault = str(problem["msg"]).removeprefix("Value error, ")
        fault = fault[:1].lower() + fault[1:]
    return f"{name}: {fault} ({_source(name, flags, file)})"


def _source(name: str, flags: Mapping[str, object], file: Path | None) -> str:
    """Return where the value of a setting was set, and to what."""
    if name in flags:
        given = flags[name]
        return " ".join(f"{flag_of(name)} {value}" for value in (given if isinstance(given, tuple) else (given,)))
    # Like pydantic, which ignores case, and doesn't look for names that it doesn't know.
    variables = {variable.lower(): variable for variable in os.environ}
    variable = variables.get(variable_of(name).lower())
    if variable and name in Settings.model_fields:
        return f"{variable}={os.environ[variable]}"
    assert file is not None  # noqa: S101  # defaults are never wrong
    value = tomllib.loads(file.read_text(encoding="utf-8"))[name]
    return f"{name} = {value!r} in {file}"
