"""The checks of the repository: each model is loaded as a server would load it, certificate check included."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from service.app.load_trials import load_trials
from service.app.model_repository import Loading, VersionMetrics
from service.app.settings import Settings
from service.certificate import fingerprint_here
from service.core.health import Health
from service.doctor.finding import Finding, Verdict
from service.engine.session import open_session
from service.loading import certificate_check
from service.loading.manifest import read_manifest
from service.repository.layout import RepositoryError, model_folders
from service.repository.refcounts import Refcounts
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from service.loading.servable import Servable
    from service.repository.entry import Entry
    from soloist.v1.certificate_pb2 import Certificate

_AREA = "models"


def models(settings: Settings) -> Iterator[Finding]:
    """Return a finding about each version that a server would load, and about the repository."""
    try:
        folders = model_folders(settings.repository)
    except RepositoryError as error:
        yield _wrong("repository", str(error), "set repository to a folder of models: <model>/<version>/model.onnx")
        return
    if not folders:
        remedy = f"export one: soloist export CHECKPOINT --repository {settings.repository}"
        yield _wrong("repository", f"{settings.repository} has no models", remedy)
        return
    found = asyncio.run(_entries(settings))
    for entry in found:
        yield _version(entry)
    if not any(entry.servable is not None for entry in found):
        yield _wrong("repository", "no version can be called", "see the findings above")


async def _entries(settings: Settings) -> list[Entry]:
    loading = Loading(settings, Health(), VersionMetrics(CollectorRegistry(), ()), Refcounts(), load_trials(settings))
    await loading.start()
    loading.stop()
    return loading.repository.entries()


def _version(entry: Entry) -> Finding:
    what = f"{entry.name} version {entry.version}"
    servable = entry.servable
    if servable is None:
        if entry.state == pb.MODEL_STATE_UNLOADED:
            return Finding(area=_AREA, what=what, found="not loaded, by the version policy")
        remedy = f"export it again, or `soloist lint {what.partition(' ')[0]}/…/model.onnx` for its graph"
        return _wrong(what, entry.cause or "not loaded", remedy)
    warning = servable.certificate_fault or servable.warm_up_fault or servable.probe_fault or entry.cause
    found = f"loads, certificate {servable.certificate}"
    if servable.certificate == certificate_check.UNCERTIFIED:
        remedy = warning or f"rows share no runs: soloist certify --write {servable.path}"
        return Finding(area=_AREA, what=what, found=found, verdict=Verdict.NOTE, remedy=remedy)
    if warning:
        return Finding(area=_AREA, what=what, found=found, verdict=Verdict.NOTE, remedy=warning)
    if (stored := _stored(servable)) is not None and stored.fingerprint != fingerprint_here():
        remedy = f"it is proved again at every start; soloist certify --write {servable.path} keeps it"
        found += " here, but it was made on another machine"
        return Finding(area=_AREA, what=what, found=found, verdict=Verdict.NOTE, remedy=remedy)
    return Finding(area=_AREA, what=what, found=f"{found}, made on such a machine")


def _stored(servable: Servable) -> Certificate | None:
    """Return the certificate as it is in the files; None if it can't be read."""
    if servable.path is None:
        return None
    if servable.description is None:
        return read_manifest(open_session(servable.path)).certificate
    return certificate_check.read(servable.path, servable.sha256, servable.manifest)


def _wrong(what: str, found: str, remedy: str) -> Finding:
    return Finding(area=_AREA, what=what, found=found, verdict=Verdict.WRONG, remedy=remedy)
