"""Loads one version on an executor; whatever goes wrong becomes words for the operator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from service.engine.model_file import ModelFileError
from service.manifest import ManifestError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from service.engine.servable import Servable
    from service.repository.layout import Location

_log = structlog.get_logger("soloist.repository")


async def loaded(
    load: Callable[[Location], Servable], location: Location, executor: Executor
) -> tuple[Servable | None, str]:
    """Return what answers calls, or None and why there is nothing."""
    name, version = location.name, location.version
    try:
        servable = await asyncio.get_running_loop().run_in_executor(executor, load, location)
    except (ModelFileError, ManifestError) as error:
        _log.warning("model unavailable", model=name, version=version, cause=str(error))
        return None, str(error)
    except Exception:
        _log.exception("model unavailable", model=name, version=version)
        return None, "internal error while it was loaded"
    if servable.probe_fault:
        _log.warning("no probe, normalisers go unwatched", model=name, version=version, cause=servable.probe_fault)
    if servable.warm_up_fault:
        _log.warning("warm-up failed", model=name, version=version, cause=servable.warm_up_fault)
    if servable.certificate_fault:
        _log.warning("certificate ignored", model=name, version=version, cause=servable.certificate_fault)
    _log.info("model ready", model=name, version=version, certificate=servable.certificate)
    return servable, ""
