"""The program behind `soloist doctor`: every finding as text or JSON, and the exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import groupby

from service.app.logging_setup import configure_logging, printable
from service.doctor.checks import findings
from service.doctor.finding import Finding, Verdict
from soloist.json_text import json_text

_MARKS = {Verdict.OK: "   ", Verdict.NOTE: " ! ", Verdict.WRONG: "!! "}
_DEFAULT = "(default)"


def run(
    flags: Mapping[str, object],
    told: Iterable[Mapping[str, str]],
    *,
    with_models: bool,
    every_setting: bool,
    as_json: bool,
) -> int:
    """Print every finding; returns the exit code: 0 if nothing is wrong, else 1.

    Args:
        flags: settings as flags.
        told: findings of a running server: the fields of a Finding.
        with_models: whether models are loaded.
        every_setting: whether settings that have their default are printed, too.
        as_json: whether one JSON object is printed instead of text.

    """
    configure_logging(level="error", form="console")
    found = [*findings(flags, with_models=with_models), *(_finding(each) for each in told)]
    wrong = sum(each.verdict is Verdict.WRONG for each in found)
    if as_json:
        whole = {"ok": not wrong, "findings": [asdict(each) for each in found]}
        sys.stdout.write(f"{json_text(whole)}\n")
    else:
        shown = [each for each in found if every_setting or not _is_default(each)]
        sys.stdout.write(_text(shown))
        notes = sum(each.verdict is Verdict.NOTE for each in found)
        sys.stdout.write(f"\n{wrong} wrong, {notes} to note, {len(found) - wrong - notes} as they should be\n")
    return 1 if wrong else 0


def _finding(told: Mapping[str, str]) -> Finding:
    return Finding(**{**told, "verdict": Verdict(told["verdict"])})  # type: ignore[arg-type]  # texts but for this one


def _is_default(finding: Finding) -> bool:
    return finding.area == "settings" and finding.verdict is Verdict.OK and finding.found.endswith(_DEFAULT)


def _text(found: Iterable[Finding]) -> str:
    lines: list[str] = []
    for area, each in groupby(found, key=lambda finding: finding.area):
        lines.append(f"\n{area}")
        for finding in each:
            lines.append(f"{_MARKS[finding.verdict]}{finding.what}: {printable(finding.found)}")
            if finding.remedy:
                lines.append(f"     → {printable(finding.remedy)}")
    return "\n".join([*lines, ""]).lstrip("\n")
