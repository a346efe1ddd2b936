"""The record of a run: what a command printed and found, with the machine, the versions and the date."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import machine
from soloist.json_text import json_text

_WIDTH = 110  # columns of what is printed into a record


def recording() -> Console:
    """Return a console for results that keeps what it prints, in black and white."""
    console = Console(record=True, highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    return console


def write_record(folder: Path, name: str, title: str, console: Console, figures: Mapping[str, Any]) -> None:
    """Write `<name>.md`, with what a console of `recording` printed, and `<name>.json`, with the figures."""
    run = {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "command": _command(), **machine.facts()}
    rows = [f"- {what}: {value}" for what, value in run.items()]
    rows.append(f"- versions: {', '.join(f'{package} {value}' for package, value in machine.versions().items())}")
    printed = "\n".join(line.rstrip() for line in console.export_text().splitlines())
    folder.mkdir(parents=True, exist_ok=True)
    content = {"run": run, "versions": machine.versions(), **figures}
    (folder / f"{name}.json").write_text(json_text(content))
    (folder / f"{name}.md").write_text(f"# {title}\n\n" + "\n".join(rows) + f"\n\n```text\n{printed.strip()}\n```\n")


def _command() -> str:
    """Return the command that runs, without the folders of this machine."""
    module = sys.modules["__main__"].__spec__
    name = module.name.removesuffix(".__main__") if module else Path(sys.argv[0]).name
    return " ".join(["python -m", name, *sys.argv[1:]])
