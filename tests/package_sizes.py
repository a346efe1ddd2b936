"""`python -m tests.package_sizes`: files, median and largest module of every package, in lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from soloist.text_table import text_table

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("soloist", "service", "models", "export", "bench", "simulation", "demo", "claims")
# Of a package that is cut into rooms, each room too.
_ROOMS = ("soloist", "service")


def main() -> None:
    """Print the table."""
    rows = [row for name in _PACKAGES for row in _rows(_ROOT / name)]
    sys.stdout.write(text_table(["package", "files", "median", "largest", ""], rows, align="<>>><", rule=True) + "\n")


def _rows(package: Path) -> Iterable[list[object]]:
    yield _row(package)
    if package.name in _ROOMS:
        rooms = (each for each in package.iterdir() if each.is_dir() and _modules(each))
        yield from (_row(room) for room in sorted(rooms))


def _row(package: Path) -> list[object]:
    lines = {path: len(path.read_text().splitlines()) for path in _modules(package)}
    largest = max(lines, key=lambda path: lines[path])
    where = package.relative_to(_ROOT).as_posix()
    return [where, len(lines), round(median(lines.values())), lines[largest], largest.relative_to(package).as_posix()]


def _modules(package: Path) -> list[Path]:
    """Return the modules, without generated ones and those that only say what a package is."""
    found = (path for path in package.rglob("*.py") if "_pb2" not in path.name)
    return [path for path in found if path.name != "__init__.py" or len(path.read_text().splitlines()) > 1]


if __name__ == "__main__":
    main()
