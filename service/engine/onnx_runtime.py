"""The only import of ONNX Runtime in this project, so that its telemetry is off before it begins.

The library decides when it is loaded. `disable_telemetry_events()` would come too late: a device id and a store of
events would be in the home folder already. Child processes inherit the variable.
"""

from __future__ import annotations

import os

TELEMETRY_VARIABLE = "ORT_DISABLE_TELEMETRY"
# With it a file could set the options of its own session, by metadata.
_OPTIONS_VARIABLE = "ORT_LOAD_CONFIG_FROM_MODEL"
_WANTED = ("0", "false", "no", "off")

# Only these values turn telemetry on. ONNX Runtime would turn it on for an empty or misspelt value, too.
if os.environ.get(TELEMETRY_VARIABLE, "").strip().lower() not in _WANTED:
    os.environ[TELEMETRY_VARIABLE] = "1"
os.environ[_OPTIONS_VARIABLE] = "0"

import onnxruntime as ort  # noqa: E402

__all__ = ["TELEMETRY_VARIABLE", "ort"]
