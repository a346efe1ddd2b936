"""The inputs of a model's normalisers against its training data, and the sampled sequences."""

from __future__ import annotations

from dataclasses import dataclass

from soloist.client.catalogue import Version, which
from soloist.client.frames import to_array
from soloist.sampled_sequences import SampledSequence
from soloist.v1 import norm_skew_pb2 as pb
from soloist.v1.model_pb2 import Moments, SkewThresholds


@dataclass(frozen=True, kw_only=True)
class SkewFigures:
    """TID of mean and variance, in live deviations, and a divergence in nats; each a mean over features."""

    mean_tid: float
    variance_tid: float
    divergence_nats: float


@dataclass(frozen=True, kw_only=True)
class LayerSkew:
    """One layer: live mean and variance of each feature, and the stored ones with their distance, if it has any."""

    name: str
    kind: str
    live: Moments
    reference: Moments | None
    figures: SkewFigures | None
    thresholds: SkewFigures | None
    crossed: bool


@dataclass(frozen=True, kw_only=True)
class NormSkew:
    """The pool of one version. There are no `layers` if `effective_sequences` is below `least_sequences`.

    `effective_sequences` is the number of equal, fresh sequences that are as informative; `sequences` and `frames`
    count all that were probed. Times are in seconds since 1970, None before anything was probed.
    """

    model: str
    version: int
    norm: str
    layers: tuple[LayerSkew, ...]
    effective_sequences: float
    least_sequences: int
    sequences: int
    frames: int
    since_seconds: float | None
    until_seconds: float | None
    probe_ratio: float
    half_life_seconds: float


def norm_skew_request(model: str, version: Version | None) -> pb.GetNormSkewRequest:
    """Return the request for the pool of one version."""
    return pb.GetNormSkewRequest(**which(model, version))


def sampled_sequences_request(model: str, version: Version | None) -> pb.ListSampledSequencesRequest:
    """Return the request for the sampled sequences of one version."""
    return pb.ListSampledSequencesRequest(**which(model, version))


def norm_skew(response: pb.GetNormSkewResponse) -> NormSkew:
    """Unpack the pool of one version."""
    return NormSkew(
        model=response.model,
        version=response.version,
        norm=response.norm,
        layers=tuple(_layer(each) for each in response.layers),
        effective_sequences=response.effective_sequences,
        least_sequences=response.least_sequences,
        sequences=response.sequences,
        frames=response.frames,
        since_seconds=response.since_seconds if response.HasField("since_seconds") else None,
        until_seconds=response.until_seconds if response.HasField("until_seconds") else None,
        probe_ratio=response.probe_ratio,
        half_life_seconds=response.half_life_seconds,
    )


def sampled_sequence(response: pb.ListSampledSequencesResponse) -> SampledSequence:
    """Unpack one sequence."""
    return SampledSequence(
        sequence_id=response.sequence_id,
        first_seen_seconds=response.first_seen_seconds,
        last_seen_seconds=response.last_seen_seconds,
        frames=to_array(response.frames),
        prediction_ids=tuple(response.prediction_ids),
    )


def _layer(message: pb.LayerSkew) -> LayerSkew:
    return LayerSkew(
        name=message.name,
        kind=message.kind,
        live=message.live,
        reference=message.reference if message.HasField("reference") else None,
        figures=_figures(message.figures) if message.HasField("figures") else None,
        thresholds=_figures(message.thresholds) if message.HasField("thresholds") else None,
        crossed=message.crossed,
    )


def _figures(message: pb.SkewFigures | SkewThresholds) -> SkewFigures:
    return SkewFigures(
        mean_tid=message.mean_tid, variance_tid=message.variance_tid, divergence_nats=message.divergence_nats
    )
