"""`soloist serve`: the server; needs the base install only."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from soloist.cli.parameter_types import UTF8
from soloist.cli.programs import load


class SettingsCommand(click.Command):
    """A command with an option for each setting that the server declares, shown by group."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options. Their declaration is loaded here, so that other commands don't load it."""
        return [*super().get_params(ctx), *(option for _, options in self._groups for option in options)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options of the command itself, then those of each group."""
        for title, options in [("Options", super().get_params(ctx)), *self._groups]:
            with formatter.section(title):
                formatter.write_dl([record for option in options if (record := option.get_help_record(ctx))])

    @cached_property
    def _groups(self) -> list[tuple[str, list[click.Parameter]]]:
        groups = load("service.app.setting_texts", "setting_groups")()
        return [(group.title, [_option(setting) for setting in group.settings]) for group in groups]


def _option(setting: Any) -> click.Option:
    # Values are parsed with those of the environment, so that both mean the same and give the same errors.
    text = f"{setting.description}  [{f'default: {setting.default}' if setting.default else 'required'}]"
    if setting.switch:
        return click.Option([f"{setting.flag}/--no-{setting.flag[2:]}"], default=None, help=text)
    metavar = f"[{'|'.join(setting.choices)}]" if setting.choices else setting.kind.upper()
    # Names of files may be any bytes.
    kind = click.STRING if setting.kind == "path" else UTF8
    return click.Option([setting.flag], type=kind, metavar=metavar, multiple=setting.repeated, help=text)


@click.command(cls=SettingsCommand)
@click.option("--config", type=click.Path(path_type=Path), metavar="PATH", help="TOML file of settings.")
def serve(**flags: object) -> None:
    """Serve a repository of exported models over gRPC.

    A setting is taken from its flag, or else from SOLOIST_<NAME> in the environment (SOLOIST_GRPC_PORT), or else from
    the TOML file of --config or SOLOIST_CONFIG (grpc_port), or else its default. --host may be given several times.

    Prints one line when it is ready; logs go to stderr.
    """
    overrides = {name: value for name, value in flags.items() if value not in (None, ())}
    sys.exit(load("service.app.main", "main")(overrides))
