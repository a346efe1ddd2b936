"""The only import of matplotlib in this project, so that it leaves nothing in the home folder.

On import, it and fontconfig look for fonts and cache what they find.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

__all__ = ["Axes", "Bbox", "Figure", "Line2D", "LogFormatter", "MaxNLocator", "PercentFormatter", "mpl"]

_VARIABLES = ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")


@contextmanager
def _caches_aside() -> Iterator[None]:
    """Keep caches in a folder that is removed, unless the operator has set one."""
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
    from matplotlib.ticker import LogFormatter, MaxNLocator, PercentFormatter
    from matplotlib.transforms import Bbox
