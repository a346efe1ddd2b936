"""Where PyTorch's compiler would keep what it has compiled: a folder that is removed again.

Nothing here is compiled, but the optimisers and the exporter import the compiler, which makes its folder in /tmp.
"""

from __future__ import annotations

import os
from tempfile import TemporaryDirectory

_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"


def _aside() -> TemporaryDirectory[str] | None:
    """Set a folder, unless the operator has, or a process that this one works for."""
    if os.environ.get(_VARIABLE):
        return None
    folder = TemporaryDirectory(prefix="soloist-torch-", ignore_cleanup_errors=True)
    os.environ[_VARIABLE] = folder.name
    return folder


FOLDER = _aside()  # it goes with the process
