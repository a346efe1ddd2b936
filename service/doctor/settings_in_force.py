"""The settings in force: the value of each, and whether a flag, a variable, the file or nothing has set it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from service.app.main import check_processes
from service.app.settings import Settings, SettingsError
from service.app.transports import runner
from service.core.addresses import is_of_this_machine
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
    yield from _connections(settings)


def _connections(settings: Settings) -> Iterator[Finding]:
    """Return a finding about a bound that the transport can't keep, where strangers may need it or somebody set it."""
    is_open = not all(map(is_of_this_machine, settings.host))
    if settings.transport == "grpc" and (is_open or settings.max_connections_per_client):
        yield Finding(
            area=_AREA,
            what="connections of one address",
            found="grpc.aio tells nobody of its connections, so max_connections_per_client bounds none: "
            f"one address may have all {settings.max_connections}",
            verdict=Verdict.NOTE,
            remedy="take the transport httpunk, or bound connections in a proxy, where strangers reach the port",
        )


def wrong(problem: str) -> Finding:
    """Return the finding about settings that a server would refuse."""
    remedy = "docs/reference/settings.md and `soloist serve --help` list every setting"
    return Finding(area=_AREA, what="settings", found=without_secrets(problem), verdict=Verdict.WRONG, remedy=remedy)
