"""Every setting of the declaration reaches the server by flag, by variable and by file, and help shows it by group."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner

from service.app.setting_texts import setting_groups
from service.app.settings import Settings, load_settings
from soloist.cli.main import main

Serve = Callable[..., Settings]

_TEXTS = {
    "repository": "/elsewhere",
    "sequence_store": "redis://elsewhere/1",
    "host": "::1",
    "version_policy": "all",
    "ready_when": "a,b",
    "enable": "admin,monitoring",
    "admin_address": "localhost:8003",
    "accuracy_windows": "7m",
    "log_level": "error",
    "transport": "httpunk",
    "log_format": "json",
    "links": "inside",
    "tls_client_certificate": "optional",
    "http_tls_client_certificate": "optional",
}


def other_value(name: str) -> Any:
    """Return a value that is not the setting's default, as a file has it."""
    default = Settings.model_fields[name].get_default(call_default_factory=True)
    if name in _TEXTS:
        return _TEXTS[name]
    if default is None:
        return f"/elsewhere/{name}"
    return not default if isinstance(default, bool) else default + (1 if isinstance(default, int) else 0.5)


def expected(name: str) -> Any:
    value = other_value(name)
    if name == "host":
        return (value,)
    return Path(value) if str(value).startswith("/") else value


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Return a function that runs `soloist serve` with arguments, up to the settings that the server would have."""
    for name in [name for name in os.environ if name.startswith("SOLOIST_")]:
        monkeypatch.delenv(name)
    taken: list[Settings] = []
    fake = ModuleType("service.app.main")
    fake.main = lambda flags: taken.append(load_settings(flags))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "service.app.main", fake)

    def run(*arguments: str) -> Settings:
        done = CliRunner().invoke(main, ["serve", *arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        return taken.pop()

    return run


def required(name: str) -> tuple[str, ...]:
    return () if name == "repository" else ("--repository", "models")


NAMES = list(Settings.model_fields)


@pytest.mark.parametrize("name", NAMES)
def test_a_flag_reaches_the_settings(serve: Serve, name: str) -> None:
    value = other_value(name)
    flag = f"--{name.replace('_', '-')}"
    given = [flag, str(value)]
    if isinstance(value, bool):
        given = [flag if value else flag.replace("--", "--no-", 1)]
    assert getattr(serve(*required(name), *given), name) == expected(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_reaches_the_settings(serve: Serve, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"SOLOIST_{name.upper()}", str(other_value(name)))
    assert getattr(serve(*required(name)), name) == expected(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_line_of_the_file_reaches_the_settings(serve: Serve, tmp_path: Path, name: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f"{name} = {json.dumps(other_value(name))}\n")  # a JSON string or number is a TOML one
    assert getattr(serve(*required(name), "--config", str(file)), name) == expected(name)


def test_what_is_not_given_is_the_default(serve: Serve) -> None:
    assert serve("--repository", "models") == load_settings({"repository": "models"})


def test_a_switch_can_be_turned_off_by_a_flag(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLOIST_ALLOW_NON_FINITE", "true")
    assert serve("--repository", "models").allow_non_finite
    assert not serve("--repository", "models", "--no-allow-non-finite").allow_non_finite


def test_a_host_may_be_given_again(serve: Serve) -> None:
    hosts = serve("--repository", "models", "--host", "::1", "--host", "unix:/run/s.sock").host
    assert hosts == ("::1", "unix:/run/s.sock")


def test_an_unknown_flag_is_wrong_usage_and_the_nearest_is_told() -> None:
    done = CliRunner().invoke(main, ["serve", "--max-sesions", "5"])
    assert done.exit_code == 2
    assert "--max-sessions" in done.stderr


def test_every_setting_is_in_one_group_and_says_what_it_is() -> None:
    groups = setting_groups()
    assert sorted(setting.name for group in groups for setting in group.settings) == sorted(NAMES)
    assert all(group.title and group.description for group in groups)
    assert all(setting.description.endswith(".") for group in groups for setting in group.settings)


def test_help_shows_each_flag_in_its_group_with_its_default() -> None:
    text = CliRunner().invoke(main, ["serve", "--help"], terminal_width=200).stdout
    sections = dict(re.findall(r"^(\S.*):\n((?:  .*\n)+)", text, flags=re.MULTILINE))
    assert list(sections) == ["Options", *(group.title for group in setting_groups())]
    assert "--config" in sections["Options"]
    for group in setting_groups():
        shown = " ".join(sections[group.title].split())
        for setting in group.settings:
            assert re.search(rf"(^|\s){setting.flag}\s", shown), setting.name
            reported = f"default: {setting.default}" if setting.default else "required"
            assert f"{setting.description} [{reported}]" in shown
