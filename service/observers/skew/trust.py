"""Whether the confidence of a version can be trusted: how far its traffic is from what it was trained and fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.observers.skew.reading import Reading


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Two distances, each the largest figure in units of its threshold; None while unknown.

    `input_drift` is that of the frames, `norm_skew` that of the layer of running statistics that is furthest off.
    `effective_sequences` is what the pool is worth, and `least_sequences` from where on there are figures; 0 if there
    is nothing to compare with.
    """

    input_drift: float | None = None
    norm_skew: float | None = None
    layer: str = ""
    effective_sequences: float = 0.0
    least_sequences: int = 0

    @property
    def is_trusted(self) -> bool | None:
        """Return whether no distance exceeds 1; None if none is known."""
        known = [each for each in (self.input_drift, self.norm_skew) if each is not None]
        return max(known) <= 1 if known else None


def trust_of(inputs: Reading | None, norms: Reading | None) -> Trust:
    """Return what the pools of one version say; None stands for a pool without a reference."""
    found = [each for each in (inputs, norms) if each is not None]
    if not found:
        return Trust()
    drift = _furthest(inputs)[0] if inputs is not None else None
    skew, layer = _furthest(norms) if norms is not None else (None, "")
    largest = max(found, key=lambda each: each.effective_sequences)
    return Trust(
        input_drift=drift,
        norm_skew=skew,
        layer=layer,
        effective_sequences=largest.effective_sequences,
        least_sequences=largest.least_sequences,
    )


def _furthest(reading: Reading) -> tuple[float | None, str]:
    ratios = [(each.ratio, each.layer.name) for each in reading.layers if each.ratio is not None]
    return max(ratios, default=(None, ""))
