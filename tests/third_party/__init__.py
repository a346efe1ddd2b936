"""Models of somebody else's make, in ONNX's own text form."""

from tests.third_party.contents import AUXILIARY, BEGUN, BYTES, LOOPED, MASKED, UNTOLD
from tests.third_party.harmful import ENDLESS, LOOPING, STUCK, WIDTHS
from tests.third_party.layouts import BATCH_SECOND, NO_BATCH, RESHAPED, STEADY_WINDOW, WINDOW
from tests.third_party.model import ThirdPartyModel, time_first
from tests.third_party.odd import BLOCKS, CONTROLS, HALVED, HOLLOW, LOOKED_UP, POOLED, SHARED, SIFTED, SIFTED_BLOCKS

# Their answers are a plain loop's, whole and in chunks.
LOOPS = (BATCH_SECOND, NO_BATCH, WINDOW, RESHAPED, BYTES, LOOPED, BEGUN, AUXILIARY, MASKED, UNTOLD)
# And these have something else about them.
THIRD_PARTY_MODELS = (*LOOPS, POOLED, BLOCKS, CONTROLS)

__all__ = [
    "AUXILIARY",
    "BATCH_SECOND",
    "BEGUN",
    "BLOCKS",
    "BYTES",
    "CONTROLS",
    "ENDLESS",
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
    "THIRD_PARTY_MODELS",
    "UNTOLD",
    "WIDTHS",
    "WINDOW",
    "ThirdPartyModel",
    "time_first",
]
