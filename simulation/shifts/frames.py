"""The shifts of frames: what a sensor, a microphone or a hurried speaker does to a sequence.

Shape suffixes: T time, C channels.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from pydantic.dataclasses import dataclass

from simulation.shifts.span import CONFIG, Span

Array = npt.NDArray[Any]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Channel = Annotated[int, Field(ge=0)] | None  # None: all of them


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class FrameShift(Span):
    """Changes the frames of a sequence; `of_numbers` tells that it makes no sense of tokens."""

    @property
    def of_numbers(self) -> bool:
        """Return whether frames must be [T, C] numbers."""
        return True

    @abstractmethod
    def applied(self, frames: Array, strength: float, deviation_C: Array, rng: np.random.Generator) -> Array:
        """Return other frames; `deviation_C` holds each channel's own standard deviation in the unshifted data."""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Gain(FrameShift):
    """A factor on the numbers of a channel, or of all."""

    kind: Literal["gain"] = "gain"
    factor: Positive
    channel: Channel = None

    def applied(self, frames: Array, strength: float, deviation_C: Array, rng: np.random.Generator) -> Array:  # noqa: ARG002
        """Grow geometrically: half-way to a factor of 4 lies 2."""
        shifted_TC = frames.copy()
        shifted_TC[:, _chosen(self.channel)] *= self.factor**strength
        return shifted_TC


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Offset(FrameShift):
    """A constant on a channel, or on all, in deviations of the channel: a gain, where frames are logarithmic."""

    kind: Literal["offset"] = "offset"
    deviations: Finite
    channel: Channel = None

    def applied(self, frames: Array, strength: float, deviation_C: Array, rng: np.random.Generator) -> Array:  # noqa: ARG002
        """Grow in proportion."""
        shifted_TC = frames.copy()
        chosen = _chosen(self.channel)
        shifted_TC[:, chosen] += (strength * self.deviations * deviation_C[chosen]).astype(frames.dtype)
        return shifted_TC


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Noise(FrameShift):
    """Normal noise on a channel, or on all, of so many deviations of the channel."""

    kind: Literal["noise"] = "noise"
    deviations: Positive
    channel: Channel = None

    def applied(self, frames: Array, strength: float, deviation_C: Array, rng: np.random.Generator) -> Array:
        """Grow in proportion."""
        shifted_TC = frames.copy()
        chosen = _chosen(self.channel)
        noise_TC = rng.normal(size=frames.shape)[:, chosen]
        shifted_TC[:, chosen] += (strength * self.deviations * deviation_C[chosen] * noise_TC).astype(frames.dtype)
        return shifted_TC


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Stretch(FrameShift):
    """A sequence made longer or shorter by a factor between two; numbers are interpolated, tokens taken or repeated."""

    kind: Literal["stretch"] = "stretch"
    least_factor: Positive
    most_factor: Positive

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.least_factor > self.most_factor:
            raise ValueError("least_factor is above most_factor")

    @property
    def of_numbers(self) -> bool:
        """Return that tokens will do."""
        return False

    def applied(self, frames: Array, strength: float, deviation_C: Array, rng: np.random.Generator) -> Array:  # noqa: ARG002
        """Grow geometrically."""
        factor = rng.uniform(self.least_factor, self.most_factor) ** strength
        at_T = np.linspace(0, len(frames) - 1, max(1, round(factor * len(frames))))
        if frames.ndim == 1:
            return frames[np.rint(at_T).astype(np.int64)]
        channels = [np.interp(at_T, np.arange(len(frames)), channel_T) for channel_T in frames.T]
        return np.stack(channels, axis=1).astype(frames.dtype)


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Crop(FrameShift):
    """A piece of a sequence, of a length between two; what is shorter stays whole."""

    kind: Literal["crop"] = "crop"
    least_frames: Annotated[int, Field(ge=1)]
    most_frames: Annotated[int, Field(ge=1)]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.least_frames > self.most_frames:
            raise ValueError("least_frames is above most_frames")

    @property
    def of_numbers(self) -> bool:
        """Return that tokens will do."""
        return False

    def applied(self, frames: Array, strength: float, deviation_C: Array, rng: np.random.Generator) -> Array:  # noqa: ARG002
        """Crop more and more of the sequences."""
        length = int(rng.integers(self.least_frames, self.most_frames, endpoint=True))
        first = int(rng.integers(max(len(frames) - length, 0), endpoint=True))
        return frames[first : first + length] if rng.random() < strength else frames


def _chosen(channel: int | None) -> slice:
    return slice(None) if channel is None else slice(channel, channel + 1)
