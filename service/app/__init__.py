"""The running server: settings, assembly, lifecycle, logging and the HTTP port."""

import sys

# structlog imports rich if it is there, for tracebacks that no log of ours shows, and rich takes 4 MB and 30 ms.
_rich = sys.modules.get("rich")
if _rich is None:
    sys.modules["rich"] = None  # type: ignore[assignment]  # as Python has it: there is no such module
try:
    import structlog  # noqa: F401
finally:
    if _rich is None:
        del sys.modules["rich"]
