"""Which of a model's versions a new sequence runs on, when the caller names none."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING

from service.repository.rollout import CANARY, STABLE

if TYPE_CHECKING:
    from service.engine.servable import Servable
    from service.repository.entry import Entry
    from service.repository.rollout import Rollout


def default(versions: Mapping[int, Entry], rollout: Rollout) -> Entry | None:
    """Return the one labelled stable, ready or not; None where there is no such version.

    Without that label: the newest, ready ones first, those on trial last. With it no other is taken, since nobody chose
    another.
    """
    if STABLE in rollout.labels:
        return versions.get(rollout.labels[STABLE])
    return max(
        versions.values(),
        key=lambda each: (each.servable is not None, each.version not in rollout.on_trial, each.version),
    )


def canary(versions: Mapping[int, Entry], rollout: Rollout, place: float) -> Servable | None:
    """Give the canary, if it is ready and a sequence at `place`, in [0, 1), is one of its share."""
    if place * 100 >= rollout.canary_percent:
        return None
    entry = versions.get(rollout.labels.get(CANARY, 0))
    return entry.servable if entry is not None else None


def place_of(name: str, key: str) -> float:
    """Map a sequence's key to [0, 1), the same on every server."""
    text = f"{name}\n{key}".encode(errors="surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=6).digest()) / 2**48
