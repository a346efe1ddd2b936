"""The rollout: how new sequences of a model are distributed to its versions by labels, a canary, a shadow."""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from service.core.files import read_text
from service.repository.layout import LARGEST_VERSION
from soloist.files import write_atomically

if TYPE_CHECKING:
    from service.loading.servable import Servable
    from service.repository.entry import Entry

FILE = "labels.json"
# A hundred labels of the longest names take a tenth of it.
_MOST_BYTES = 64 * 1024
_LOCK_SECONDS, _LOCK_AGAIN_SECONDS = 10.0, 0.02
_KEYS = ("labels", "canary_percent", "shadow")
STABLE, CANARY = "stable", "canary"
# It begins with a letter, so that it can't be taken for a version.
LABEL = re.compile(r"[a-z][a-z0-9_.-]{0,62}", re.ASCII)


class RolloutError(Exception):
    """The file can't be read or is invalid; the text has the cause."""


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """Versions by label; the share of new sequences that go to "canary", 0 to 100; the version that gets copies.

    0 stands for no shadow.
    """

    labels: Mapping[str, int] = field(default_factory=dict)
    canary_percent: float = 0.0
    shadow: int = 0

    @property
    def versions(self) -> set[int]:
        """Return every version that it needs."""
        return {*self.labels.values(), *([self.shadow] if self.shadow else [])}

    @property
    def on_trial(self) -> set[int]:
        """Return the versions that callers get only by the share or by name, unless one is stable as well."""
        return {self.labels.get(CANARY, 0), self.shadow} - {0, self.labels.get(STABLE, 0)}


NO_ROLLOUT = Rollout()


def read(model: Path) -> Rollout:
    """Read the file in a model's folder; without a file there are no labels.

    Raises:
        RolloutError: it can't be read, or is invalid.

    """
    try:
        text = read_text(model / FILE, most_bytes=_MOST_BYTES)
    except FileNotFoundError:
        if not (model / FILE).is_symlink():
            return NO_ROLLOUT
        raise RolloutError(f"{FILE} is a broken link") from None
    except OSError as error:  # its text has the path of the repository, which callers must not see
        raise RolloutError(f"{FILE}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RolloutError(f"{FILE}: {error}") from error
    try:
        return _checked(json.loads(text, object_pairs_hook=_each_once))
    except (ValueError, RecursionError) as error:
        raise RolloutError(f"{FILE}: {error}") from error


def change(model: Path, how: Callable[[Rollout], Rollout]) -> Rollout:
    """Change the file under a lock among all servers that share it, and return its content. Blocks.

    Raises:
        RolloutError: it can't be read or written.

    """
    with _alone(model):
        new = how(read(model))
        content = {"labels": dict(new.labels), "canary_percent": new.canary_percent, "shadow": new.shadow}
        try:
            write_atomically(model / FILE, json.dumps(content).encode())
        except OSError as error:
            raise RolloutError(f"{FILE}: {error.strerror}") from error
        return new


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a name occurs twice")
    return content


def _checked(content: object) -> Rollout:
    if not isinstance(content, dict):
        raise ValueError("it must be an object")
    # A misspelt key would have no effect, and other versions would get the traffic.
    if unknown := sorted(content.keys() - _KEYS):
        raise ValueError(f"{unknown[0]!r} is none of {', '.join(_KEYS)}")
    labels, percent, shadow = content.get("labels", {}), content.get("canary_percent", 0.0), content.get("shadow", 0)
    if not isinstance(labels, dict) or not all(LABEL.fullmatch(name) and _is_version(v) for name, v in labels.items()):
        raise ValueError("labels must name versions")
    if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 <= percent <= 100:
        raise ValueError("canary_percent must be 0 to 100")
    if shadow != 0 and not _is_version(shadow):
        raise ValueError("shadow must be a version, or 0")
    return Rollout(labels=labels, canary_percent=float(percent), shadow=int(str(shadow)))


def _is_version(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_VERSION


@contextmanager
def _alone(model: Path) -> Iterator[None]:
    """Hold a lock on the folder itself, so that no lock file can be left behind."""
    try:
        folder = os.open(model, os.O_RDONLY)
    except OSError as error:
        raise RolloutError(f"{model.name}: {error.strerror}") from error
    try:
        _lock(folder)
        yield
    finally:
        os.close(folder)


def _lock(folder: int) -> None:
    """Wait for a lock, but not for ever: a server that hangs may hold it."""
    give_up = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise RolloutError(f"{FILE}: another program has held its lock for {_LOCK_SECONDS:g} s") from None
            time.sleep(_LOCK_AGAIN_SECONDS)
        except OSError as error:  # some file systems have no locks
            raise RolloutError(f"{FILE}: {error.strerror}") from error
        else:
            return


def default_version(versions: Mapping[int, Entry], rollout: Rollout) -> Entry | None:
    """Return the version labelled stable, ready or not; None if there is no such version.

    Without that label it is the newest, ready ones first, those on trial last. With the label no other version is
    taken, since nobody chose another.
    """
    if STABLE in rollout.labels:
        return versions.get(rollout.labels[STABLE])
    return max(
        versions.values(),
        key=lambda each: (each.servable is not None, each.version not in rollout.on_trial, each.version),
    )


def canary_version(versions: Mapping[int, Entry], rollout: Rollout, place: float) -> Servable | None:
    """Return the canary, if it is ready and its share covers a sequence at `place`, in [0, 1)."""
    if place * 100 >= rollout.canary_percent:
        return None
    entry = versions.get(rollout.labels.get(CANARY, 0))
    return entry.servable if entry is not None else None


def place_of(name: str, key: str) -> float:
    """Return the place of a sequence's key in [0, 1), the same on every server."""
    text = f"{name}\n{key}".encode(errors="surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=6).digest()) / 2**48
