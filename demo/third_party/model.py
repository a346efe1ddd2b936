"""What is known of a model that somebody else made, and how its frames lie in a request of the protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo.third_party.package_files import PackageFile
from demo.third_party.reference_loops import Loop
from demo.third_party.sequences import Array, Sequence

_CONFIGS = Path(__file__).with_name("configs")


def one_row(frames: Array) -> Array:
    """Frames [T, …] of a graph that takes batches: [1, T, …]."""
    return frames[None]


def as_they_are(frames: Array) -> Array:
    """Frames [T, …] of a graph without a batch axis; or the only one of a graph without a time axis, which is a row."""
    return frames


def the_only_one(frames: Array) -> Array:
    """Return the only frame [1, …] of a graph with neither axis."""
    frame: Array = frames[0]
    return frame


def the_number(scalar: Array) -> Array:
    """Return a number [] as [1], which is how a configuration describes an input without axes."""
    return scalar.reshape(1)


def time_last(frames: Array) -> Array:
    """Frames [T, C] of a graph that takes [1, C, T]."""
    turned: Array = frames.T[None].copy()
    return turned


@dataclass(frozen=True, kw_only=True)
class ThirdPartyModel:
    """A model that somebody else made.

    `as_requested` gives frames as a request of the Open Inference Protocol holds them. `described` says that it has a
    config.pbtxt, `streams` that it answers before it has read to the end, `stateful` that it then carries something
    from frame to frame, `one_frame_per_run` that its graph takes one frame at a time. `open_protocol_only` is why
    the server's own API can't ask it, if so. What has no entry a frame is sent as `auxiliary_as_requested` gives it.
    """

    name: str
    file: PackageFile
    other_files: tuple[PackageFile, ...]
    sequences: Callable[[], list[Sequence]]
    loop: Loop
    frames_input: str
    as_requested: Callable[[Array], Array]
    unlike: str
    described: bool = True
    streams: bool = True
    stateful: bool = True
    one_frame_per_run: bool = False
    open_protocol_only: str = ""
    auxiliary_as_requested: Callable[[Array], Array] = one_row

    @property
    def in_sequences(self) -> bool:
        """Return whether states are carried from request to request."""
        return self.streams and self.stateful

    @property
    def files(self) -> tuple[PackageFile, ...]:
        """All that has to be fetched."""
        return (self.file, *self.other_files)

    @property
    def config(self) -> Path:
        """Its config.pbtxt."""
        return _CONFIGS / f"{self.name}.pbtxt"
