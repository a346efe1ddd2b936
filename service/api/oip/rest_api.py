"""The methods of the protocol over REST, bound to a running server: the same handlers as over gRPC."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from google.protobuf.message import Message

from service.api.oip import json_fields as fields
from service.api.oip.api import NEEDS, UNSUPPORTED, refuse
from service.api.oip.management import (
    model_statistics,
    repository_index,
    repository_model_load,
    repository_model_unload,
)
from service.api.oip.message_json import plain
from service.api.oip.metadata import model_config, model_metadata, model_ready, server_metadata
from service.api.oip.rest_infer import rest_infer
from service.api.routes import Answer, Body, Route
from service.core.errors import Reason, ServiceError
from service.core.request_limits import MAX_PARAMETERS, at_most
from soloist.oip import grpc_service_pb2 as pb

if TYPE_CHECKING:
    from service.api.oip.context import OipContext
    from service.serving.call import Call

Request = TypeVar("Request", bound=Message)
_MODEL = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
# Paths of what this server has no use for, by the methods that say so.
_REFUSED = {
    "SystemSharedMemoryStatus": ("/v2/systemsharedmemory/status", "/v2/systemsharedmemory/region/{region}/status"),
    "SystemSharedMemoryRegister": ("/v2/systemsharedmemory/region/{region}/register",),
    "SystemSharedMemoryUnregister": (
        "/v2/systemsharedmemory/unregister",
        "/v2/systemsharedmemory/region/{region}/unregister",
    ),
    "CudaSharedMemoryStatus": ("/v2/cudasharedmemory/status", "/v2/cudasharedmemory/region/{region}/status"),
    "CudaSharedMemoryRegister": ("/v2/cudasharedmemory/region/{region}/register",),
    "CudaSharedMemoryUnregister": (
        "/v2/cudasharedmemory/unregister",
        "/v2/cudasharedmemory/region/{region}/unregister",
    ),
    "TraceSetting": ("/v2/trace/setting", "/v2/models/{model}/trace/setting"),
    "LogSettings": ("/v2/logging",),
}


def open_inference_rest(context: OipContext) -> list[Route]:
    """Bind every method."""
    routes = [
        _get("/v2", "ServerMetadata", context, lambda _names: pb.ServerMetadataRequest(), server_metadata),
        _get("/v2/models/stats", "ModelStatistics", context, _of(pb.ModelStatisticsRequest), model_statistics),
        Route(
            verb="POST",
            path="/v2/repository/index",
            api="RepositoryIndex",
            need=NEEDS["RepositoryIndex"],
            handler=partial(_repository_index, context),
        ),
    ]
    for model in _MODEL:
        routes += [
            _get(model, "ModelMetadata", context, _of(pb.ModelMetadataRequest), model_metadata),
            _get(f"{model}/config", "ModelConfig", context, _of(pb.ModelConfigRequest), _config),
            _get(f"{model}/stats", "ModelStatistics", context, _of(pb.ModelStatisticsRequest), model_statistics),
            Route(
                verb="GET",
                path=f"{model}/ready",
                api="ModelReady",
                need=NEEDS["ModelReady"],
                handler=partial(_model_ready, context),
            ),
            Route(
                verb="POST",
                path=f"{model}/infer",
                api="ModelInfer",
                need=NEEDS["ModelInfer"],
                handler=partial(rest_infer, context),
            ),
        ]
    for api, verb, handler in (
        ("RepositoryModelLoad", "load", _load),
        ("RepositoryModelUnload", "unload", _unload),
    ):
        path = f"/v2/repository/models/{{model}}/{verb}"
        routes.append(Route(verb="POST", path=path, api=api, need=NEEDS[api], handler=partial(handler, context)))
    for api, paths in _REFUSED.items():
        refused = partial(_refused, UNSUPPORTED[api][1])
        routes += [
            Route(verb=verb, path=path, api=api, need=NEEDS[api], handler=refused)
            for path in paths
            for verb in ("GET", "POST")
        ]
    return routes


def _get(
    path: str,
    api: str,
    context: OipContext,
    request: Callable[[Mapping[str, str]], Request],
    handler: Callable[[OipContext, Call, Request], Awaitable[Message]],
) -> Route:
    """Return the route of a method whose request is its path, and whose answer is a message."""

    async def answer(call: Call, names: Mapping[str, str], _body: Body) -> Answer:
        return _json(plain(await handler(context, call, request(names))))

    return Route(verb="GET", path=path, api=api, need=NEEDS[api], handler=answer)


def _of(request: Callable[..., Request]) -> Callable[[Mapping[str, str]], Request]:
    return lambda names: request(name=names.get("model", ""), version=names.get("version", ""))


def _json(value: Any, status: int = 200) -> Answer:
    return Answer(text=orjson.dumps(value), status=status)


async def _config(context: OipContext, call: Call, request: pb.ModelConfigRequest) -> Message:
    """Return the configuration itself; over gRPC it is a field of the response."""
    return (await model_config(context, call, request)).config


async def _model_ready(context: OipContext, call: Call, names: Mapping[str, str], _body: Body) -> Answer:
    """Return whether a model can be called. The status is the answer, and 4xx means no."""
    name = names["model"]
    found = await model_ready(context, call, pb.ModelReadyRequest(name=name, version=names.get("version", "")))
    return _json({"name": name, "ready": found.ready}, 200 if found.ready else 400)


async def _repository_index(context: OipContext, call: Call, _names: Mapping[str, str], body: Body) -> Answer:
    ready = fields.parse(body.text).get("ready", False)
    if not isinstance(ready, bool):
        raise ServiceError(Reason.JSON_INVALID, field="ready", expected="true or false")
    found = await repository_index(context, call, pb.RepositoryIndexRequest(ready=ready))
    return _json([plain(each) for each in found.models])


async def _load(context: OipContext, call: Call, names: Mapping[str, str], body: Body) -> Answer:
    request = pb.RepositoryModelLoadRequest(model_name=names["model"])
    parameters = fields.object_of(fields.parse(body.text), "parameters")
    at_most(MAX_PARAMETERS, parameters, "parameters")
    for name in parameters:
        request.parameters[name].string_param = ""  # no value matters
    await repository_model_load(context, call, request)
    return _json({})


async def _unload(context: OipContext, call: Call, names: Mapping[str, str], body: Body) -> Answer:
    fields.parse(body.text)  # nothing in it matters
    await repository_model_unload(context, call, pb.RepositoryModelUnloadRequest(model_name=names["model"]))
    return _json({})


async def _refused(instead: str, call: Call, _names: Mapping[str, str], _body: Body) -> Answer:
    await refuse(instead, call, Message())
