"""What one process of several answers for itself alone, when another asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from service.api.oip.management import MODEL_STATISTICS, own_statistics
from service.api.v1.estimate_trust import ESTIMATE_TRUST, own_trust
from service.api.v1.norm_skew import GET_NORM_SKEW, get_norm_skew
from service.serving.call import Call
from soloist.oip import grpc_service_pb2 as oip
from soloist.v1 import feedback_pb2, norm_skew_pb2

if TYPE_CHECKING:
    from service.api.oip.context import OipContext
    from service.observers.skew.watch import SkewWatch


def own_answers(context: OipContext, skew: SkewWatch) -> dict[str, Callable[[bytes], Awaitable[bytes]]]:
    """Return the answers by method, each from the bytes of a request to those of a response."""

    async def statistics(request: bytes) -> bytes:
        asked = oip.ModelStatisticsRequest.FromString(request)
        return (await own_statistics(context, Call(api=MODEL_STATISTICS), asked)).SerializeToString()

    async def moments(request: bytes) -> bytes:
        asked = norm_skew_pb2.GetNormSkewRequest.FromString(request)
        found = await get_norm_skew(context.serving.repository, skew, Call(api=GET_NORM_SKEW), asked)
        return found.SerializeToString()

    async def trust(request: bytes) -> bytes:
        asked = feedback_pb2.GetAccuracyResponse.FromString(request)
        return own_trust(context.serving.repository, skew, asked).SerializeToString()

    return {MODEL_STATISTICS: statistics, GET_NORM_SKEW: moments, ESTIMATE_TRUST: trust}
