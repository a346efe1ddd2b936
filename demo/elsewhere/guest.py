"""Owns what is known of a model that somebody else made, and how its frames lie in a request of the protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo.elsewhere.loops import Loop
from demo.elsewhere.parts import Part
from demo.elsewhere.sequences import Array, Sequence

_CONFIGS = Path(__file__).with_name("configs")


@dataclass(frozen=True, kw_only=True)
class Guest:
    """A model that somebody else made.

    `as_requested` gives frames as a request of the Open Inference Protocol holds them. `described` says that it has a
    config.pbtxt, `streams` that it answers before it has read to the end, `a_frame_a_run` that its graph takes one
    frame at a time.
    """

    name: str
    file: Part
    material: tuple[Part, ...]
    sequences: Callable[[], list[Sequence]]
    loop: Loop
    frames_input: str
    as_requested: Callable[[Array], Array]
    unlike: str
    described: bool = True
    streams: bool = True
    a_frame_a_run: bool = False

    @property
    def parts(self) -> tuple[Part, ...]:
        """All that has to be fetched."""
        return (self.file, *self.material)

    @property
    def config(self) -> Path:
        """Its config.pbtxt."""
        return _CONFIGS / f"{self.name}.pbtxt"


def one_row(frames: Array) -> Array:
    """Frames [T, …] of a graph that takes batches: [1, T, …]."""
    return frames[None]


def as_they_are(frames: Array) -> Array:
    """Frames [T, …] of a graph without a batch axis; or the only one of a graph without a time axis, which is a row."""
    return frames


def the_only_one(frames: Array) -> Array:
    """Give the only frame [1, …] of a graph with neither axis."""
    frame: Array = frames[0]
    return frame


def time_last(frames: Array) -> Array:
    """Frames [T, C] of a graph that takes [1, C, T]."""
    turned: Array = frames.T[None].copy()
    return turned
