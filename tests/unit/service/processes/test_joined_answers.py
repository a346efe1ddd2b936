"""What methods answer for all processes of a server: statistics are added, the largest pool speaks, or the worst."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from service.api.oip.statistics import add_statistics
from service.api.others import Others, alone
from service.api.v1.estimate_trust import ESTIMATE_TRUST, add_trust
from service.api.v1.norm_skew import GET_NORM_SKEW, largest_norm_skew
from service.serving.call import Call
from soloist.oip import grpc_service_pb2 as oip
from soloist.v1 import feedback_pb2
from soloist.v1 import norm_skew_pb2 as pb


def statistics(count: int, *sizes: int) -> oip.ModelStatistics:
    """Return those of a process that has answered so many requests, with runs of these sizes."""
    duration = oip.StatisticDuration(count=count, ns=10 * count)
    return oip.ModelStatistics(
        name="m",
        version="1",
        last_inference=count,
        inference_count=count,
        execution_count=len(sizes),
        inference_stats=oip.InferStatistics(success=duration, queue=duration),
        batch_stats=[oip.InferBatchStatistics(batch_size=size, compute_infer=duration) for size in sizes],
    )


def test_statistics_are_added() -> None:
    total = statistics(2, 1, 8)
    add_statistics(total, statistics(3, 4, 8))
    assert (total.last_inference, total.inference_count, total.execution_count) == (3, 5, 4)
    assert (total.inference_stats.success.count, total.inference_stats.queue.ns) == (5, 50)
    assert [(each.batch_size, each.compute_infer.count) for each in total.batch_stats] == [(1, 2), (4, 3), (8, 5)]


@pytest.mark.parametrize(("others_measured", "told"), [((), 5.0), ((2.0,), 5.0), ((2.0, 9.0), 9.0)])
async def test_the_largest_pool_speaks(others_measured: Sequence[float], told: float) -> None:
    async def here(_call: Call, request: pb.GetNormSkewRequest) -> pb.GetNormSkewResponse:
        return pb.GetNormSkewResponse(model=request.model, version=7, effective_sequences=5.0)

    async def others(method: str, request: bytes) -> Sequence[bytes]:
        # The version that was found here, whatever its label stands for there.
        assert (method, pb.GetNormSkewRequest.FromString(request).version) == (GET_NORM_SKEW, 7)
        found = [pb.GetNormSkewResponse(effective_sequences=each) for each in others_measured]
        return [each.SerializeToString() for each in found]

    asked: Others = others if others_measured else alone
    found = await largest_norm_skew(here, asked, Call(api=GET_NORM_SKEW), pb.GetNormSkewRequest(model="m"))
    assert found.effective_sequences == told


def trust(drift: float | None, sequences: float = 9.0) -> feedback_pb2.EstimateTrust:
    if drift is None:
        return feedback_pb2.EstimateTrust(verdict=feedback_pb2.TRUST_VERDICT_UNKNOWN, effective_sequences=sequences)
    verdict = feedback_pb2.TRUST_VERDICT_NOT_TRUSTED if drift > 1 else feedback_pb2.TRUST_VERDICT_TRUSTED
    return feedback_pb2.EstimateTrust(verdict=verdict, input_drift=drift, effective_sequences=sequences)


@pytest.mark.parametrize(
    ("elsewhere", "told"),
    [
        ([], trust(0.5)),
        ([trust(None, 3), trust(0.2)], trust(0.5)),
        ([trust(3.0, 4), trust(2.0, 99)], trust(3.0, 4)),
    ],
)
async def test_the_process_whose_traffic_is_furthest_off_is_believed(
    elsewhere: list[feedback_pb2.EstimateTrust], told: feedback_pb2.EstimateTrust
) -> None:
    def here(asked: feedback_pb2.GetAccuracyResponse) -> feedback_pb2.GetAccuracyResponse:
        return answered(asked, trust(0.5))

    def answered(
        asked: feedback_pb2.GetAccuracyResponse, found: feedback_pb2.EstimateTrust
    ) -> feedback_pb2.GetAccuracyResponse:
        response = feedback_pb2.GetAccuracyResponse()
        response.CopyFrom(asked)
        response.versions[0].trust.CopyFrom(found)
        return response

    async def others(method: str, request: bytes) -> Sequence[bytes]:
        asked = feedback_pb2.GetAccuracyResponse.FromString(request)
        assert (method, asked.versions[0].version) == (ESTIMATE_TRUST, 7)
        return [answered(asked, each).SerializeToString() for each in elsewhere]

    version = feedback_pb2.VersionAccuracy(model="m", version=7, norm="layer")
    await add_trust([version], here, others)
    assert version.trust == told
