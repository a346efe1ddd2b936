"""The readiness of the server, by what its operator requires: any model, all of them, or some by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.repository.entry import UNLOADED
from service.repository.rollout import STABLE
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.repository.catalogue import Repository
    from service.repository.entry import Entry

ANY, ALL = "any", "all"
LOADING = "models are loading"
_NONE = "no model can be called"
_IDLE = (pb.MODEL_STATE_UNLOADED, pb.MODEL_STATE_UNLOADING)
_MOST_MODELS = 10  # a probe's log line names some; `soloist admin index` all


def why_not_ready(repository: Repository, needed: str, *, has_looked: bool) -> str:
    """Return why the server isn't ready; "" if it is.

    Args:
        repository: the models.
        needed: "any", "all", or names of models separated by commas.
        has_looked: whether every model that was there at the start has been loaded, or abandoned.

    """
    if needed not in (ANY, ALL):
        missing = [name for name in needed.split(",") if not repository.answers(name)]
        return _described("required models can't be called", repository, missing) if missing else ""
    names = sorted({entry.name for entry in repository.entries()})
    if needed == ANY and any(repository.answers(name) for name in names):
        return ""
    if not has_looked:
        return _described(LOADING, repository, [name for name in names if not repository.answers(name)])
    wanted = [name for name in names if needed == ANY or not _is_unloaded(repository.entries(name))]
    missing = [name for name in wanted if not repository.answers(name)]
    if not wanted or len(missing) == len(names):
        return _described(_NONE, repository, names)
    return _described("not every model can be called", repository, missing) if missing else ""


def _is_unloaded(entries: Iterable[Entry]) -> bool:
    """Return whether an operator unloaded a model, which is no fault."""
    return all(entry.state in _IDLE for entry in entries) and any(entry.cause == UNLOADED for entry in entries)


def _described(what: str, repository: Repository, names: list[str]) -> str:
    causes = [cause for name in names[:_MOST_MODELS] for cause in _causes(repository, name)]
    if len(names) > _MOST_MODELS:
        causes.append(f"and {len(names) - _MOST_MODELS} more")
    return f"{what}: {'; '.join(causes)}" if causes else what


def _causes(repository: Repository, name: str) -> list[str]:
    entries = repository.entries(name)
    wanted = [entry for entry in entries if entry.state not in _IDLE] or entries
    return [_cause(entry) for entry in wanted] or [f"{name}: there is no such model"]


def _cause(entry: Entry) -> str:
    version = f"{entry.name} version {entry.version}" if entry.version else entry.name
    if entry.servable is not None:
        return f"{version} is ready, and another version is labelled {STABLE}"
    return f"{version} is loading" if entry.state == pb.MODEL_STATE_LOADING else f"{version}: {entry.cause}"
