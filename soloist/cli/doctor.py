"""`soloist doctor`: what a server would find here, what is wrong with it, and what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from soloist.cli.parameter_types import UTF8
from soloist.cli.programs import load
from soloist.cli.session import credential_options, credentials

_AREA = "running server"


def _settings(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    paths = _paths() if given else frozenset()
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{each!r} is no NAME=VALUE")
        name = UTF8.convert(name, parameter, context).lstrip("-").replace("-", "_")
        # Names of files may be any bytes.
        found[name] = value if name in paths else UTF8.convert(value, parameter, context)
    return found


def _paths() -> frozenset[str]:
    """Return the names of the settings that are files or folders."""
    groups = load("service.app.setting_texts", "setting_groups")()
    return frozenset(each.name for group in groups for each in group.settings if each.kind == "path")


@click.command()
@click.option("--config", type=click.Path(path_type=Path), metavar="PATH", help="TOML file of settings.")
@click.option("--repository", type=click.Path(path_type=Path), metavar="PATH", help="Folder of models.")
@click.option(
    "--set",
    "given",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_settings,
    help="A setting, as a flag of `soloist serve` would give it; may be repeated.",
)
@click.option("--target", type=UTF8, metavar="HOST:PORT", help="Ask a running server (gRPC), too.")
@click.option("--no-models", is_flag=True, help="Don't load the models.")
@click.option("--all", "every_setting", is_flag=True, help="Show settings that have their default, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@credential_options
def doctor(
    config: Path | None,
    repository: Path | None,
    given: dict[str, str],
    target: str | None,
    no_models: bool,
    every_setting: bool,
    as_json: bool,
) -> None:
    """Check everything that a server depends on here: environment, settings, ports, keys, clock, disk, models.

    Settings are read as `soloist serve` reads them: --set, SOLOIST_<NAME>, the TOML file, the default. No server has to
    run. Contents of keys and passwords in URLs are never printed. Exit codes: 0 nothing is wrong, 1 something is.
    """
    flags: dict[str, object] = {"config": config, "repository": repository, **given}
    flags = {name: value for name, value in flags.items() if value is not None}
    told = list(_asked(target)) if target else []
    run = load("service.doctor.command", "run")
    sys.exit(run(flags, told, with_models=not no_models, every_setting=every_setting, as_json=as_json))


def _asked(target: str) -> Iterator[Mapping[str, str]]:
    """Yield what a running server tells, as fields of findings."""
    from soloist.client import Client, SoloistError

    try:
        with Client(target, **credentials(target), timeout_seconds=10.0) as client:
            found = client.models()
    except SoloistError as error:
        remedy = (
            "is it running there, and does it take such connections (--tls-ca), and this token (--token-file)? "
            "its log and /readyz say why not"
        )
        yield _told(target, f"{error.reason}: {error.message}", "wrong", remedy)
        return
    yield _told(target, f"answers; {sum(each.ready for each in found)} of {len(found)} versions are ready")
    for each in found:
        what = f"{each.name} version {each.version}"
        if each.state == "unavailable":
            yield _told(what, f"{each.state}: {each.reason}", "wrong", "soloist admin load tries it again")
        else:
            yield _told(what, each.state, "note" if each.reason else "ok", each.reason)
    if not any(each.ready for each in found):
        yield _told("models", "none can be called", "wrong", "soloist models lists why")


def _told(what: str, found: str, verdict: str = "ok", remedy: str = "") -> Mapping[str, str]:
    return {"area": _AREA, "what": what, "found": found, "verdict": verdict, "remedy": remedy}
