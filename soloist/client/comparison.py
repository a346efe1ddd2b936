"""What an answer depends on, to a caller: the conditions asked for, and how far each answer is from the one alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from soloist.client.tensors import Array


@dataclass(frozen=True)
class BatchNeighbours:
    """`count` (1 to 64) other sequences share the batch, their values `scale` times ordinary ones; 0: all zeros."""

    count: int
    scale: float = 1.0


@dataclass(frozen=True)
class Padded:
    """The sequence is padded with zeros to `frames`, its own included."""

    frames: int


@dataclass(frozen=True)
class Chunked:
    """The sequence is cut into chunks of `frames`; the last may be shorter."""

    frames: int


Condition: TypeAlias = BatchNeighbours | Padded | Chunked


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """How far the outputs at every frame are from those of the reference.

    `differing_outputs` of `compared_outputs` (frames × classes) have other bits; 0 is the promise. `max_ulp` counts
    units in the last place, at most 2^31 - 1. `max_abs_difference` is infinite where a value is not finite.
    """

    differing_outputs: int
    compared_outputs: int
    max_ulp: int
    max_abs_difference: float
    class_changed: bool

    @property
    def same_bits(self) -> bool:
        """Tell whether every output has the bits of the reference."""
        return self.differing_outputs == 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """The answer under one condition: `outputs` [class] at the last frame, and what they say, as in Prediction.

    `condition` and `deviation` are None for the reference: alone, unpadded and whole. Where the model could not be run
    so, `not_run` says why, and there is nothing else.
    """

    condition: Condition | None
    outputs: Array | None
    index: int | None
    label: str | None
    confidence: float | None
    deviation: Deviation | None
    not_run: str


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelComparison:
    """One model under all conditions.

    A `control` exists to fail in a known way. Its `twin` is the compared model with the same weights that is none: for
    BatchNorm with the statistics of the batch at hand, the one with running statistics. `deviation_from_twin` is
    between their answers alone.
    """

    model: str
    version: int
    norm: str
    control: bool
    alone: Outcome
    outcomes: list[Outcome]
    twin: str | None
    deviation_from_twin: Deviation | None

    @property
    def same_bits(self) -> bool:
        """Tell whether every answer that was given has the bits of the one alone."""
        return all(outcome.deviation.same_bits for outcome in self.outcomes if outcome.deviation is not None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """The model asked for, then its siblings; each has one outcome a condition, in the order of `conditions`."""

    frame_count: int
    conditions: list[Condition]
    models: list[ModelComparison]
