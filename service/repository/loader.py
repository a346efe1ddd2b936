"""Loads one version on a thread of its own; whatever goes wrong becomes words for the operator."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import structlog

from service.engine.model_file import ModelFileError
from service.manifest import ManifestError
from service.repository.threads import MOST_ABANDONED, OverdueError, TooManyAbandonedError

if TYPE_CHECKING:
    from service.engine.servable import Servable
    from service.repository.layout import Location
    from service.repository.threads import Threads

_log = structlog.get_logger("soloist.repository")
_UNKNOWN = "internal error while it was loaded"


async def loaded(
    load: Callable[[Location], Servable], location: Location, threads: Threads
) -> tuple[Servable | None, str]:
    """Return what answers calls, or None and why there is nothing."""
    name, version = location.name, location.version
    try:
        servable = await threads.run(name, partial(load, location))
    except Exception as error:
        cause = _in_words(error, threads)
        log = _log.exception if cause == _UNKNOWN else _log.warning
        log("model unavailable", model=name, version=version, cause=cause)
        return None, cause
    if servable.probe_fault:
        _log.warning("no probe, normalisers go unwatched", model=name, version=version, cause=servable.probe_fault)
    if servable.warm_up_fault:
        _log.warning("warm-up failed", model=name, version=version, cause=servable.warm_up_fault)
    if servable.certificate_fault:
        _log.warning("certificate ignored", model=name, version=version, cause=servable.certificate_fault)
    _log.info("model ready", model=name, version=version, certificate=servable.certificate)
    return servable, ""


def _in_words(error: Exception, threads: Threads) -> str:
    match error:
        case ModelFileError() | ManifestError():
            # A file's name needn't be UTF-8, and messages and the log have to be.
            return str(error).encode(errors="replace").decode()
        case OverdueError():
            return f"it took longer than load_seconds ({threads.seconds:g} s)"
        case TooManyAbandonedError():
            return f"{MOST_ABANDONED} loads of this model were given up and go on, so it isn't tried again for now"
        case MemoryError():
            return "there isn't enough memory for it"
        case RecursionError():
            return "what it says of itself is nested too deep"
        case _:
            return _UNKNOWN
