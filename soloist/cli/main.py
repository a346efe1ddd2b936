"""The command `soloist`: its sub-commands, and the file of each."""

from __future__ import annotations

import importlib

import click

COMMANDS = (
    *("predict", "stream", "feedback", "accuracy", "compare", "models", "skew", "serve", "admin", "doctor"),
    *("tokens", "keys"),
    *("train", "export", "quantise", "recalibrate", "lint", "certify", "replay", "simulate", "bench", "demo", "claims"),
)


class LazyGroup(click.Group):
    """A group that imports `soloist.cli.<command>` when that command is called, or described."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the commands in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"soloist.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 — an error in this table, not by the user
        return command


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib import metadata  # it takes longer than everything else here

        click.echo(f"soloist {metadata.version('soloist')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
def main() -> None:
    """Serve sequence models, and call them.

    Exit codes: 0 done, 1 refused by the server or failed, 2 wrong usage.
    """


if __name__ == "__main__":
    main(prog_name="soloist")
