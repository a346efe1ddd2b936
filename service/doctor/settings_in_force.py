"""The settings in force: the value of each, and whether a flag, a variable, the file or nothing has set it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from service.app.main import check_processes
from service.app.settings import Settings, SettingsError
from service.app.transports import runner
from service.doctor.finding import Finding, Verdict, without_secrets

_AREA = "settings"


def settings_in_force(settings: Settings, sources: Mapping[str, str]) -> Iterator[Finding]:
    """Return a finding about each setting, and about those that don't fit together."""
    for name, source in sources.items():
        value = getattr(settings, name)
        shown = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        yield Finding(area=_AREA, what=name, found=f"{without_secrets(shown)} ({source})")
    try:
        runner(settings)
        if settings.processes > 1:
            check_processes(settings)
    except SettingsError as error:
        yield wrong(str(error))


def wrong(problem: str) -> Finding:
    """Return the finding about settings that a server would refuse."""
    remedy = "docs/reference/settings.md and `soloist serve --help` list every setting"
    return Finding(area=_AREA, what="settings", found=without_secrets(problem), verdict=Verdict.WRONG, remedy=remedy)
