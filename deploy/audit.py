"""`python -m deploy.audit`: ask PyPI's database of vulnerabilities about every pinned version.

pip-audit leaves out what it can't look up, and is content. Here that is no answer: without a database nothing is known.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PINS = Path(__file__).parents[1] / "constraints.txt"
_FOUND, _UNKNOWN = 1, 2
# The database by package and version; the pins name everything, so nothing has to be resolved or installed.
_OPTIONS = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json", "--vulnerability-service")


def main(arguments: Sequence[str]) -> int:
    """Print what is known against the pinned versions; returns 0: nothing, 1: something, 2: it can't be known.

    Args:
        arguments: the path of pip-audit, and which service to ask: "pypi" or "osv".

    """
    program, service = arguments
    command = [program, "--requirement", str(PINS), *_OPTIONS, service]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # paths of our own
    try:
        report = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        return _said(_UNKNOWN, f"nothing was looked up, the database can't be reached: {last}")
    return _said(*judged(report))


def judged(report: Mapping[str, Any]) -> tuple[int, str]:
    """Return exit code and text for a report of pip-audit."""
    packages = report["dependencies"]
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    lines = [
        f"{each['name']} {each['version']}: {fault['id']}, fixed in {', '.join(fault['fix_versions']) or 'no release'}"
        for each in packages
        for fault in each.get("vulns", ())
    ]
    known = len(packages) - len(skipped)
    if not known:
        return _UNKNOWN, "nothing was looked up: the database knows none of the packages, or can't be reached"
    if skipped:
        lines.append(f"not looked up: {', '.join(skipped)}")
    lines.append(f"{known} of {len(packages)} pinned versions looked up, {len(lines) - bool(skipped)} vulnerabilities")
    return _FOUND if len(lines) > 1 + bool(skipped) else (_UNKNOWN if skipped else 0), "\n".join(lines)


def _said(code: int, text: str) -> int:
    sys.stdout.write(f"{text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
