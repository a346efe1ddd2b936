"""Owns models of somebody else's make, in ONNX's own text form."""

from tests.guests.contents import BEGUN, BYTES, FURTHER, LOOPED, MASKED, UNTOLD
from tests.guests.guest import Guest, time_first
from tests.guests.harmful import ENDLESS, LOOPING, STUCK, WIDTHS
from tests.guests.layouts import BATCH_SECOND, NO_BATCH, RESHAPED, STEADY_WINDOW, WINDOW
from tests.guests.odd import BLOCKS, HALVED, HOLLOW, LOOKED_UP, POOLED, SHARED, SIFTED, SIFTED_BLOCKS, TOLD

# Their answers are a plain loop's, whole and in chunks.
LOOPS = (BATCH_SECOND, NO_BATCH, WINDOW, RESHAPED, BYTES, LOOPED, BEGUN, FURTHER, MASKED, UNTOLD)
# And these have something else about them.
GUESTS = (*LOOPS, POOLED, BLOCKS, TOLD)

__all__ = [
    "BATCH_SECOND",
    "BEGUN",
    "BLOCKS",
    "BYTES",
    "ENDLESS",
    "FURTHER",
    "GUESTS",
    "HALVED",
    "HOLLOW",
    "LOOKED_UP",
    "LOOPED",
    "LOOPING",
    "LOOPS",
    "MASKED",
    "NO_BATCH",
    "POOLED",
    "RESHAPED",
    "SHARED",
    "SIFTED",
    "SIFTED_BLOCKS",
    "STEADY_WINDOW",
    "STUCK",
    "TOLD",
    "UNTOLD",
    "WIDTHS",
    "WINDOW",
    "Guest",
    "time_first",
]
