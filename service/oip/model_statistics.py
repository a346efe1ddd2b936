"""ModelStatistics: what the server has counted of its versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soloist.oip import grpc_service_pb2 as pb

if TYPE_CHECKING:
    from service.engine.servable import Servable
    from service.handlers.call import Call
    from service.oip.parts import Parts
    from service.statistics import Duration, VersionStatistics


async def model_statistics(parts: Parts, call: Call, request: pb.ModelStatisticsRequest) -> pb.ModelStatisticsResponse:
    """Tell the counts of one version, of every ready version of a model, or of all.

    Raises:
        ServiceError: there is no such model, or it can't be called.

    """
    ready = [entry.servable for entry in parts.serving.repository.entries() if entry.servable is not None]
    if request.name:
        servable = parts.resolve(request.name, request.version)
        call.model, call.version = servable.name, str(servable.version)
        ready = [servable] if request.version else [each for each in ready if each.name == servable.name]
    return pb.ModelStatisticsResponse(model_stats=[_told(parts, each) for each in ready])


def _told(parts: Parts, servable: Servable) -> pb.ModelStatistics:
    counts = parts.serving.statistics.of(servable)
    return pb.ModelStatistics(
        name=servable.name,
        version=str(servable.version),
        last_inference=counts.last_request_ms,
        inference_count=counts.rows,
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
