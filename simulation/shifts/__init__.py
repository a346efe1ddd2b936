"""What can happen to traffic: its frames, its mix, or what its labels mean; each from one time to another."""

from simulation.shifts.frames import Crop, FrameShift, Gain, Noise, Offset, Stretch
from simulation.shifts.mix import Classes, Concept, Lengths, MixShift
from simulation.shifts.span import CONFIG, Span

__all__ = [
    "CONFIG",
    "Classes",
    "Concept",
    "Crop",
    "FrameShift",
    "Gain",
    "Lengths",
    "MixShift",
    "Noise",
    "Offset",
    "Shift",
    "Span",
    "Stretch",
]

Shift = Gain | Offset | Noise | Stretch | Crop | Lengths | Classes | Concept
