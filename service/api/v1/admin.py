"""The methods of soloist.v1.Admin: loading and unloading, the rollout of versions, the log level, the drain."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from service.access.need import ADMIN
from service.api.methods import UnaryMethod
from service.core.errors import Reason, ServiceError
from service.core.request_limits import MAX_VERSION_LABELS, at_most
from service.repository.rollout import LABEL, Rollout
from soloist.v1 import admin_pb2 as pb

if TYPE_CHECKING:
    from service.api.control import Control
    from service.api.operations import Operations
    from service.serving.call import Call
    from soloist.v1.sequence_inference_pb2 import ModelStatus

# A level that falls back later than in a year is one that was mistyped.
_MOST_FALLBACK_SECONDS = 31_536_000.0
_LEVELS = {
    pb.LOG_LEVEL_UNSPECIFIED: "",
    pb.LOG_LEVEL_DEBUG: "debug",
    pb.LOG_LEVEL_INFO: "info",
    pb.LOG_LEVEL_WARNING: "warning",
    pb.LOG_LEVEL_ERROR: "error",
}
_LEVELS_BY_NAME = {name: level for level, name in _LEVELS.items()}


def admin(manager: Operations, control: Control) -> list[UnaryMethod[Any]]:
    """Bind every method."""
    return [
        UnaryMethod(name="LoadModel", request=pb.LoadModelRequest, need=ADMIN, handler=partial(load_model, manager)),
        UnaryMethod(
            name="UnloadModel", request=pb.UnloadModelRequest, need=ADMIN, handler=partial(unload_model, manager)
        ),
        UnaryMethod(name="GetRollout", request=pb.GetRolloutRequest, need=ADMIN, handler=partial(get_rollout, manager)),
        UnaryMethod(
            name="UpdateRollout", request=pb.UpdateRolloutRequest, need=ADMIN, handler=partial(update_rollout, manager)
        ),
        UnaryMethod(
            name="SetLogLevel", request=pb.SetLogLevelRequest, need=ADMIN, handler=partial(set_log_level, control)
        ),
        UnaryMethod(name="Drain", request=pb.DrainRequest, need=ADMIN, handler=partial(drain, control)),
    ]


async def load_model(manager: Operations, _call: Call, request: pb.LoadModelRequest) -> pb.LoadModelResponse:
    """Load a version, or the versions of the version policy.

    Raises:
        ServiceError: there is no such model or version, or it can't be loaded.

    """
    await manager.load(request.model, request.version)
    return pb.LoadModelResponse(versions=_versions(manager, request.model))


async def unload_model(manager: Operations, _call: Call, request: pb.UnloadModelRequest) -> pb.UnloadModelResponse:
    """Let a version, or the model, take no new sequences.

    Raises:
        ServiceError: there is no such model or version.

    """
    await manager.unload(request.model, request.version)
    return pb.UnloadModelResponse(versions=_versions(manager, request.model))


async def get_rollout(manager: Operations, _call: Call, request: pb.GetRolloutRequest) -> pb.GetRolloutResponse:
    """Return how new sequences are distributed to versions.

    Raises:
        ServiceError: there is no such model.

    """
    manager.require(request.model)
    return pb.GetRolloutResponse(rollout=_rollout_message(manager.repository.rollout(request.model)))


async def update_rollout(
    manager: Operations, _call: Call, request: pb.UpdateRolloutRequest
) -> pb.UpdateRolloutResponse:
    """Change how new sequences are distributed to versions.

    Raises:
        ServiceError: there is no such model or version, one can't be loaded, or a value is invalid.

    """
    _check(request)
    needed = {each.version for each in request.labels} | {request.shadow_version}
    new = await manager.spread(request.model, needed - {0}, partial(_changed, request))
    return pb.UpdateRolloutResponse(rollout=_rollout_message(new))


async def set_log_level(control: Control, _call: Call, request: pb.SetLogLevelRequest) -> pb.SetLogLevelResponse:
    """Log from another level on.

    Raises:
        ServiceError: there is no such level, or the time is no time.

    """
    level, seconds = _LEVELS.get(request.level), request.fallback_seconds
    if level is None:
        _refuse("level", request.level, "one of LogLevel")
    if not 0 <= seconds <= _MOST_FALLBACK_SECONDS:
        _refuse("fallback_seconds", seconds, f"0 to {_MOST_FALLBACK_SECONDS:g}")
    return pb.SetLogLevelResponse(level=_LEVELS_BY_NAME[await control.set_log_level(level, seconds)])


async def drain(control: Control, _call: Call, request: pb.DrainRequest) -> pb.DrainResponse:
    """Drain the server, or let it say that it isn't ready, or is.

    Raises:
        ServiceError: there is no such mode.

    """
    match request.mode:
        case pb.DRAIN_MODE_STOP:
            await control.stop()
        case pb.DRAIN_MODE_NOT_READY | pb.DRAIN_MODE_READY:
            await control.set_ready(request.mode == pb.DRAIN_MODE_READY)
        case _:
            _refuse("mode", request.mode, "one of DrainMode, and not unspecified")
    return pb.DrainResponse(call_count=control.call_count)


def _check(request: pb.UpdateRolloutRequest) -> None:
    at_most(MAX_VERSION_LABELS, request.labels, "labels")
    for each in request.labels:
        if not LABEL.fullmatch(each.label):
            _refuse("label", repr(each.label), "a lower-case letter, then letters, digits, '.', '_' or '-'")
        if each.version < 0:
            _refuse("version", each.version, "a version, or 0")
    if request.shadow_version < 0:
        _refuse("shadow_version", request.shadow_version, "a version, or 0")
    if not 0 <= request.canary_percent <= 100:
        _refuse("canary_percent", request.canary_percent, "0 to 100")


def _refuse(parameter: str, value: object, expected: str) -> NoReturn:
    raise ServiceError(Reason.PARAMETER_INVALID, parameter=parameter, value=value, expected=expected)


def _changed(request: pb.UpdateRolloutRequest, before: Rollout) -> Rollout:
    labels = {**before.labels, **{each.label: each.version for each in request.labels}}
    new = replace(before, labels={label: version for label, version in labels.items() if version})
    at_most(MAX_VERSION_LABELS, new.labels, "the rollout's labels")
    if request.HasField("canary_percent"):
        new = replace(new, canary_percent=request.canary_percent)
    if request.HasField("shadow_version"):
        new = replace(new, shadow=request.shadow_version)
    return new


def _rollout_message(rollout: Rollout) -> pb.Rollout:
    labels = [pb.VersionLabel(label=label, version=version) for label, version in sorted(rollout.labels.items())]
    return pb.Rollout(labels=labels, canary_percent=rollout.canary_percent, shadow_version=rollout.shadow)


def _versions(manager: Operations, model: str) -> list[ModelStatus]:
    return [entry.status() for entry in manager.repository.entries(model)]
