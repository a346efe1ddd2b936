"""The methods for operators: RepositoryIndex, RepositoryModelLoad, RepositoryModelUnload and ModelStatistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.api.oip.statistics import add_statistics
from service.core.errors import Reason, ServiceError
from service.core.request_limits import MAX_PARAMETERS, at_most
from soloist.oip import grpc_service_pb2 as pb
from soloist.v1 import sequence_inference_pb2

if TYPE_CHECKING:
    from service.api.oip.context import OipContext
    from service.loading.servable import Servable
    from service.serving.call import Call
    from service.serving.statistics import Duration, VersionStatistics

_STATES = {
    sequence_inference_pb2.MODEL_STATE_READY: "READY",
    sequence_inference_pb2.MODEL_STATE_LOADING: "LOADING",
    sequence_inference_pb2.MODEL_STATE_UNAVAILABLE: "UNAVAILABLE",
    sequence_inference_pb2.MODEL_STATE_UNLOADING: "UNLOADING",
    sequence_inference_pb2.MODEL_STATE_UNLOADED: "UNAVAILABLE",  # the protocol has no better state
}

# Extensions that send a model with the request. They can't be ignored: another model would be loaded.
_UNSUPPORTED = "config"
_UNSUPPORTED_PREFIX = "file:"
MODEL_STATISTICS = "ModelStatistics"


async def repository_index(
    context: OipContext, _call: Call, request: pb.RepositoryIndexRequest
) -> pb.RepositoryIndexResponse:
    """List every version of every model, or those that are ready. There is one repository, whatever its name."""
    response = pb.RepositoryIndexResponse()
    for entry in context.serving.repository.entries():
        if entry.servable is not None or not request.ready:
            status = entry.status()
            response.models.add(
                name=entry.name, version=str(entry.version), state=_STATES[status.state], reason=status.reason
            )
    return response


async def repository_model_load(
    context: OipContext, _call: Call, request: pb.RepositoryModelLoadRequest
) -> pb.RepositoryModelLoadResponse:
    """Load the versions of the version policy, and return when they are ready.

    Raises:
        ServiceError: there is no such model, its newest version can't be loaded, or the request contains a model.

    """
    at_most(MAX_PARAMETERS, request.parameters, "parameters")
    for name in request.parameters:
        if name == _UNSUPPORTED or name.startswith(_UNSUPPORTED_PREFIX):
            raise ServiceError(Reason.PARAMETER_UNSUPPORTED, parameter=name)
    await context.manager.load(request.model_name)
    return pb.RepositoryModelLoadResponse()


async def repository_model_unload(
    context: OipContext, _call: Call, request: pb.RepositoryModelUnloadRequest
) -> pb.RepositoryModelUnloadResponse:
    """Let no version of a model take new sequences; open sequences go on.

    Raises:
        ServiceError: there is no such model.

    """
    await context.manager.unload(request.model_name)
    return pb.RepositoryModelUnloadResponse()


async def model_statistics(
    context: OipContext, call: Call, request: pb.ModelStatisticsRequest
) -> pb.ModelStatisticsResponse:
    """Return the counts of one version, of every ready version of a model, or of all, in all processes of the server.

    Raises:
        ServiceError: there is no such model, or it can't be called.

    """
    own = await own_statistics(context, call, request)
    for other in await context.others(MODEL_STATISTICS, request.SerializeToString()):
        for each in pb.ModelStatisticsResponse.FromString(other).model_stats:
            for ours in own.model_stats:
                if (each.name, each.version) == (ours.name, ours.version):
                    add_statistics(ours, each)
    return own


async def own_statistics(
    context: OipContext, call: Call, request: pb.ModelStatisticsRequest
) -> pb.ModelStatisticsResponse:
    """Return the same of this process alone.

    Raises:
        ServiceError: there is no such model, or it can't be called.

    """
    ready = [entry.servable for entry in context.serving.repository.entries() if entry.servable is not None]
    if request.name:
        servable = context.resolve(request.name, request.version)
        call.model, call.version = servable.name, str(servable.version)
        ready = [servable] if request.version else [each for each in ready if each.name == servable.name]
    return pb.ModelStatisticsResponse(model_stats=[_model_statistics(context, each) for each in ready])


def _model_statistics(context: OipContext, servable: Servable) -> pb.ModelStatistics:
    counts = context.serving.recorder.statistics(servable)
    return pb.ModelStatistics(
        name=servable.name,
        version=str(servable.version),
        last_inference=counts.last_request_ms,
        inference_count=sum(counts.rows.values()),
        execution_count=sum(run.graph.count for run in counts.runs.values()),
        inference_stats=pb.InferStatistics(
            success=_duration(counts.success),
            fail=_duration(counts.fail),
            queue=_duration(counts.queue),
            compute_input=_duration(counts.input),
            compute_infer=_duration(counts.infer),
            compute_output=_duration(counts.output),
            cache_hit=pb.StatisticDuration(),
            cache_miss=pb.StatisticDuration(),
        ),
        batch_stats=_runs(counts),
    )


def _runs(counts: VersionStatistics) -> list[pb.InferBatchStatistics]:
    return [
        pb.InferBatchStatistics(
            batch_size=size,
            compute_input=_duration(run.gather),
            compute_infer=_duration(run.graph),
            compute_output=_duration(run.scatter),
        )
        for size, run in sorted(counts.runs.items())
    ]


def _duration(duration: Duration) -> pb.StatisticDuration:
    return pb.StatisticDuration(count=duration.count, ns=duration.ns)
