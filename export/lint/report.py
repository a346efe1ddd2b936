"""How findings are shown: one line of JSON, or rule by rule for people."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from export.lint.finding import Finding, UnreadableModelError
from export.lint.linter import lint_model
from soloist.json_text import json_text

CLEAN, FOUND, UNREADABLE = 0, 1, 2
_COLOURS = {"danger": "red", "trap": "magenta", "unknown": "yellow"}


def run(path: Path, *, as_json: bool) -> int:
    """Lint a file, print what was found, and return the exit status: 0 clean, 1 findings, 2 unreadable."""
    try:
        findings = lint_model(path)
    except UnreadableModelError as error:
        Console(stderr=True).print(f"Error: {error}", markup=False, highlight=False, soft_wrap=True)
        return UNREADABLE
    if as_json:
        fields = {"model": str(path), "clean": not findings, "findings": [finding.fields() for finding in findings]}
        Console(soft_wrap=True).print(json_text(fields), markup=False, highlight=False)
    else:
        _show(path, findings, Console())
    return FOUND if findings else CLEAN


def _show(path: Path, findings: list[Finding], console: Console) -> None:
    """Print every rule once, with all nodes it names."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.rule, finding.why, finding.instead), []).append(finding)
    for (rule, why, instead), members in groups.items():
        first = members[0]
        colour, dangers = _COLOURS[first.severity], ", ".join(first.endangers)
        console.print(f"[{colour}]{first.severity}[/{colour}]  [bold]{rule}[/bold]  endangers {dangers}")
        for member in members:
            place = f"  in {member.graph}" if member.graph else ""
            _print(console, f"  {member.node} ({member.op}){place}")
        _print(console, f"    why: {why}")
        _print(console, f"    use: {instead}\n")
    count = len(findings)
    _print(console, f"{path}: {f'{count} finding' + 's' * (count != 1) if findings else 'clean'}")


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
