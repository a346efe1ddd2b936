"""The program behind `soloist serve`: one process, or the supervisor of several."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from service.app.load_trials import started_trials
from service.app.settings import Settings, SettingsError, load_settings
from service.app.spared import imports_spared
from service.core.addresses import is_unix

_FAILED = 1
_WRONG_USAGE = 2


def main(flags: Mapping[str, object]) -> int:
    """Serve until a signal ends it; returns the exit code: 0 drained, 1 failed or cut short, 2 wrong settings."""
    try:
        settings = load_settings(flags)
        if settings.processes > 1:
            check_processes(settings)
            from service.app.supervisor import supervise

            return supervise(settings)
        return _serve(settings)
    except SettingsError as error:
        sys.stderr.write(f"soloist: {error}\n")
        return _WRONG_USAGE


def _serve(settings: Settings) -> int:
    trials = started_trials(settings)
    # What serves is imported where it is needed: the supervisor has neither ONNX Runtime nor gRPC.
    with imports_spared():
        from service.app.server import serve
        from service.app.transports import runner
    run = runner(settings)
    sys.stderr.write(f"soloist: {serve(run, settings, trials)}\n")
    return _FAILED


def check_processes(settings: Settings) -> None:
    """Refuse what several processes can't share.

    Raises:
        SettingsError: with the reason, and what to do.

    """
    unix = [host for host in (*settings.host, settings.admin_address or "") if is_unix(host)]
    if unix:
        raise SettingsError(
            f"processes: {settings.processes} processes can't share {unix[0]}; listen on TCP, or set processes to 1"
        )
    if settings.skew_keep_sequences:
        raise SettingsError(
            f"processes: each of {settings.processes} processes would keep sequences of its own; "
            "set skew_keep_sequences to 0, or processes to 1"
        )
