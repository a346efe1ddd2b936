"""One array of numbers from the bytes of a .npy file. Nothing is ever unpickled."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def array_of(content: bytes) -> np.ndarray[Any, Any]:
    """Return the array. Raises ValueError, in words, for what is none or holds other things than numbers."""
    import numpy as np

    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)  # numpy seeks, and a pipe cannot
    except (ValueError, TypeError, EOFError, OSError, OverflowError, MemoryError, zipfile.BadZipFile) as error:
        raise ValueError(f"not a .npy file of numbers: {error}") from error
    if not isinstance(array, np.ndarray):
        raise ValueError("it has to hold one array")  # one kind of error for whatever a file holds
    if array.dtype.kind not in "biuf":
        raise ValueError(f"it holds {array.dtype}, which are not numbers that a model takes")
    return array
