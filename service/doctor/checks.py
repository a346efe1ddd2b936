"""The checks in their order. One that fails itself is a finding, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

from service.app.settings import Settings, SettingsError, load_settings, sources
from service.doctor.clock import clock
from service.doctor.disk import disk
from service.doctor.environment import environment
from service.doctor.finding import Finding, Verdict
from service.doctor.key_files import key_files
from service.doctor.machine import machine
from service.doctor.models import models
from service.doctor.ports import ports
from service.doctor.sequence_store import sequence_store
from service.doctor.settings_in_force import settings_in_force, wrong
from service.doctor.tls_files import tls_files

_Check = Callable[[Settings], Iterable[Finding]]


def findings(flags: Mapping[str, object], *, with_models: bool = True) -> Iterator[Finding]:
    """Yield what every check finds.

    Args:
        flags: settings as flags, as `soloist serve` takes them.
        with_models: whether models are loaded.

    """
    try:
        settings = load_settings(flags)
    except SettingsError as error:
        yield wrong(str(error))
        # What needs no settings is looked at all the same.
        yield from environment()
        yield from clock()
        return
    given = sources(flags)
    checks: dict[str, _Check] = {
        "environment": lambda each: environment(each.transport),
        "machine": machine,
        "settings": lambda each: settings_in_force(each, given),
        "ports": ports,
        "keys and certificates": lambda each: chain(tls_files(each), key_files(each)),
        "sequence store": sequence_store,
        "clock": lambda _: clock(),
        "disk": disk,
        **({"models": models} if with_models else {}),
    }
    for area, check in checks.items():
        yield from _checked(area, check, settings)


def _checked(area: str, check: _Check, settings: Settings) -> Iterator[Finding]:
    try:
        yield from check(settings)
    except Exception as error:
        found = f"the check failed: {type(error).__name__}: {error}"
        yield Finding(area=area, what="check", found=found, verdict=Verdict.NOTE, remedy="report it as a bug")
