"""The methods of soloist.v1.NormSkew: the pooled moments of the probes, and the sampled sequences."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from service.access.need import MONITOR, USER_DATA
from service.api.methods import Method, ServerStreamMethod, UnaryMethod
from service.api.others import alone
from service.core.errors import Reason, ServiceError
from service.core.tensors import encode
from soloist.v1 import norm_skew_pb2 as pb
from soloist.v1.model_pb2 import Moments as MomentsMessage

if TYPE_CHECKING:
    from service.api.others import Others
    from service.loading.servable import Servable
    from service.observers.skew.moments import Moments
    from service.observers.skew.reading import LayerReading
    from service.observers.skew.watch import SkewWatch
    from service.repository import Repository
    from service.serving.call import Call

GET_NORM_SKEW = "GetNormSkew"


def norm_skew(repository: Repository, skew: SkewWatch, others: Others = alone) -> list[Method]:
    """Bind every method."""
    return [
        UnaryMethod(
            name=GET_NORM_SKEW,
            request=pb.GetNormSkewRequest,
            need=MONITOR,
            handler=partial(largest_norm_skew, partial(get_norm_skew, repository, skew), others),
        ),
        ServerStreamMethod(
            name="ListSampledSequences",
            request=pb.ListSampledSequencesRequest,
            need=USER_DATA,
            handler=partial(list_sampled_sequences, repository, skew),
        ),
    ]


async def largest_norm_skew(
    here: Callable[[Call, pb.GetNormSkewRequest], Awaitable[pb.GetNormSkewResponse]],
    others: Others,
    call: Call,
    request: pb.GetNormSkewRequest,
) -> pb.GetNormSkewResponse:
    """Return the pool of the process that has seen most of the traffic: the pool that says most about it.

    Raises:
        ServiceError: there is no such version, it can't be called, or it has no probe.

    """
    own = await here(call, request)
    found = [pb.GetNormSkewResponse.FromString(each) for each in await others(GET_NORM_SKEW, _bytes(own, request))]
    return max((own, *found), key=lambda each: each.effective_sequences)


def _bytes(own: pb.GetNormSkewResponse, request: pb.GetNormSkewRequest) -> bytes:
    """Return the request for the version that was found here: labels may move meanwhile."""
    return pb.GetNormSkewRequest(model=request.model, version=own.version).SerializeToString()


async def get_norm_skew(
    repository: Repository, skew: SkewWatch, call: Call, request: pb.GetNormSkewRequest
) -> pb.GetNormSkewResponse:
    """Return the pool of one version in this process.

    Raises:
        ServiceError: there is no such version, it can't be called, or it has no probe.

    """
    servable = _probed(repository, call, request)
    reading = skew.watched(servable).pool.read()
    response = pb.GetNormSkewResponse(
        model=servable.name,
        version=servable.version,
        norm=servable.manifest.norm,
        layers=[_layer(each) for each in reading.layers],
        effective_sequences=reading.effective_sequences,
        least_sequences=reading.least_sequences,
        sequences=reading.sequences,
        frames=reading.frames,
        probe_ratio=skew.policy.ratio,
        half_life_seconds=skew.policy.half_life_seconds,
    )
    if not math.isnan(reading.since):
        response.since_seconds, response.until_seconds = reading.since, reading.until
    return response


async def list_sampled_sequences(
    repository: Repository, skew: SkewWatch, call: Call, request: pb.ListSampledSequencesRequest
) -> AsyncGenerator[pb.ListSampledSequencesResponse]:
    """Yield the sampled sequences of one version, the oldest first.

    Raises:
        ServiceError: there is no such version, it can't be called, it has no probe, or sampling is off.

    """
    servable = _probed(repository, call, request)
    if not (skew.policy.keep_sequences and skew.policy.ratio):
        raise ServiceError(Reason.SAMPLE_NOT_KEPT)
    for kept in skew.watched(servable).kept.look():
        yield pb.ListSampledSequencesResponse(
            sequence_id=kept.sequence_id,
            first_seen_seconds=kept.first_seen,
            last_seen_seconds=kept.last_seen,
            frames=encode(kept.joined()),
            prediction_ids=kept.prediction_ids,
        )


def _probed(
    repository: Repository, call: Call, request: pb.GetNormSkewRequest | pb.ListSampledSequencesRequest
) -> Servable:
    servable = repository.resolve(request.model, request.version, request.version_label)
    call.model, call.version = servable.name, str(servable.version)
    if servable.probe is None:
        raise ServiceError(Reason.PROBE_MISSING, model=servable.name, version=servable.version)
    return servable


def _layer(reading: LayerReading) -> pb.LayerSkew:
    found = pb.LayerSkew(
        name=reading.layer.name,
        kind=reading.layer.kind,
        live=_moments(reading.live),
        reference=reading.layer.reference if reading.reference is not None else None,
        thresholds=reading.thresholds,
        crossed=reading.is_crossed,
    )
    if reading.skew is not None:
        found.figures.mean_tid = reading.skew.mean_tid
        found.figures.variance_tid = reading.skew.variance_tid
        found.figures.divergence_nats = reading.skew.divergence_nats
    return found


def _moments(moments: Moments) -> MomentsMessage:
    return MomentsMessage(mean=moments.mean, variance=moments.variance)
