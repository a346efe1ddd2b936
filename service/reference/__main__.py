"""The command that writes the reference pages, or checks them: `python -m service.reference [--check] [FOLDER]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from service.reference import errors, metrics, settings

PAGES = {"settings": settings.page, "metrics": metrics.page, "errors": errors.page}
_STALE = 1


def main(arguments: list[str]) -> int:
    """Write every page into the folder, or only compare with --check. Returns 1 if a page is out of date."""
    parser = argparse.ArgumentParser(prog="python -m service.reference", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("docs/reference"), help="default: %(default)s")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is out of date")
    options = parser.parse_args(arguments)
    stale = [path for path, text in _pages(options.folder) if _read(path) != text]
    if options.check:
        for path in stale:
            sys.stderr.write(f"{path} is out of date; run: make reference\n")
        return _STALE if stale else 0
    options.folder.mkdir(parents=True, exist_ok=True)
    for path, text in _pages(options.folder):
        path.write_text(text, encoding="utf-8")
    return 0


def _pages(folder: Path) -> list[tuple[Path, str]]:
    return [(folder / f"{name}.md", page()) for name, page in PAGES.items()]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
