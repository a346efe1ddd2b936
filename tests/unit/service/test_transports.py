from __future__ import annotations

import asyncio
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import pytest
import uvloop

from service.app import transports
from service.app.settings import Settings, SettingsError, load_settings


def settings(transport: str) -> Settings:
    return load_settings({"repository": Path("models"), "transport": transport})


def test_both_run_on_uvloop_where_it_is_installed() -> None:
    assert transports.runner(settings("grpc")) is uvloop.run
    assert transports.runner(settings("httpunk")) is uvloop.run


@pytest.mark.parametrize("missing", ["httpunk", "uvloop"])
def test_a_transport_that_is_not_installed_names_the_extra(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> ModuleSpec | None:
        return None if name == missing else find_spec(name)

    monkeypatch.setattr(transports, "find_spec", find)
    assert transports.runner(settings("grpc")) is (asyncio.run if missing == "uvloop" else uvloop.run)
    with pytest.raises(SettingsError, match=rf"{missing} is not installed: pip install 'soloist\[fast\]'"):
        transports.runner(settings("httpunk"))
