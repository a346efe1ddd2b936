"""Owns the import of matplotlib, the only one in this project, so that it leaves nothing in the home folder.

While it is imported it looks for fonts, and it and fontconfig would keep what they found for the next time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

__all__ = ["Axes", "Bbox", "Figure", "Line2D", "PercentFormatter", "mpl"]

_VARIABLES = ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")


@contextmanager
def _caches_aside() -> Iterator[None]:
    """Let caches go to a folder that is removed, but where the operator has named one."""
    with TemporaryDirectory(prefix="soloist-fonts-") as folder:
        aside = {name: folder for name in _VARIABLES if not os.environ.get(name)}
        before = {name: os.environ.get(name) for name in aside}
        os.environ.update(aside)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


with _caches_aside():
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import PercentFormatter
    from matplotlib.transforms import Bbox
