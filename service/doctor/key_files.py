"""The checks of the file of keys and of that of tokens: whether a server could use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from service.access import access_file
from service.app.settings import Settings
from service.doctor.finding import Finding, Verdict
from service.sealing.keys_file import read_keys

_AREA = "keys and certificates"


def key_files(settings: Settings) -> Iterator[Finding]:
    """Return a finding about each of the files that the settings name; nothing secret of them is shown."""
    if settings.keys_file is not None:
        yield _finding("file of keys", settings.keys_file, _keys)
    if settings.tokens_file is not None:
        yield _finding("file of tokens", settings.tokens_file, _tokens)


def _finding(what: str, path: Path, contents: Callable[[Path], str]) -> Finding:
    try:
        return Finding(area=_AREA, what=what, found=f"{path}: {contents(path)}")
    except OSError as error:
        remedy = "mend it, or the server doesn't start; one that runs goes on with what it had read before"
        return Finding(area=_AREA, what=what, found=str(error), verdict=Verdict.WRONG, remedy=remedy)


def _keys(path: Path) -> str:
    return _count(len(read_keys(path)), "key")


def _tokens(path: Path) -> str:
    found = access_file.load(path)
    return f"{_count(len(found.tokens), 'token')}, {_count(len(found.certificates), 'certificate')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
