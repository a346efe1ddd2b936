"""Whether the estimated accuracy of versions can be trusted, by the traffic of every process of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.core.errors import ServiceError
from service.observers.skew.trust import Trust
from soloist.v1 import feedback_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from service.api.others import Others
    from service.observers.skew.watch import SkewWatch
    from service.repository import Repository

# What processes ask each other; it is no method of the API. Request and response are versions, without windows.
ESTIMATE_TRUST = "EstimateTrust"
_VERDICTS = {
    True: pb.TRUST_VERDICT_TRUSTED,
    False: pb.TRUST_VERDICT_NOT_TRUSTED,
    None: pb.TRUST_VERDICT_UNKNOWN,
}


async def add_trust(
    versions: Sequence[pb.VersionAccuracy],
    here: Callable[[pb.GetAccuracyResponse], pb.GetAccuracyResponse],
    others: Others,
) -> None:
    """Set the trust of every version: what the process says whose traffic is furthest off; `here` is this one's."""
    asked = pb.GetAccuracyResponse(versions=_names(versions))
    elsewhere = await others(ESTIMATE_TRUST, asked.SerializeToString())
    told = [here(asked), *map(pb.GetAccuracyResponse.FromString, elsewhere)]
    for index, version in enumerate(versions):
        version.trust.CopyFrom(max((each.versions[index].trust for each in told), key=_distance))


def own_trust(repository: Repository, skew: SkewWatch, asked: pb.GetAccuracyResponse) -> pb.GetAccuracyResponse:
    """Return the versions asked for with their trust, by the traffic of this process."""
    found = pb.GetAccuracyResponse(versions=_names(asked.versions))
    for version in found.versions:
        version.trust.CopyFrom(_message(_trust(version, repository, skew)))
    return found


def _names(versions: Iterable[pb.VersionAccuracy]) -> list[pb.VersionAccuracy]:
    return [pb.VersionAccuracy(model=each.model, version=each.version, norm=each.norm) for each in versions]


def _trust(version: pb.VersionAccuracy, repository: Repository, skew: SkewWatch) -> Trust:
    try:
        servable = repository.resolve(version.model, version.version)
    except ServiceError:  # the log has answers of versions that are gone
        return Trust()
    return skew.watched(servable).trust() if servable.manifest.norm == version.norm else Trust()


def _message(trust: Trust) -> pb.EstimateTrust:
    return pb.EstimateTrust(
        verdict=_VERDICTS[trust.is_trusted],
        input_drift=trust.input_drift,
        norm_skew=trust.norm_skew,
        layer=trust.layer,
        effective_sequences=trust.effective_sequences,
        least_sequences=trust.least_sequences,
    )


def _distance(trust: pb.EstimateTrust) -> tuple[bool, float, float]:
    is_known = trust.verdict != pb.TRUST_VERDICT_UNKNOWN
    return is_known, max(trust.input_drift, trust.norm_skew), trust.effective_sequences
