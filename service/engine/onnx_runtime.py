"""Owns the import of ONNX Runtime, the only one in this project, so that its telemetry is off before it begins.

The library decides when it is loaded: `disable_telemetry_events()` comes too late, when a device id and a store of
events are in the home folder already. Processes that are started from here inherit what is set.
"""

from __future__ import annotations

import os

TELEMETRY_VARIABLE = "ORT_DISABLE_TELEMETRY"
_WANTED = ("0", "false", "no", "off")

# Who writes one of these wants telemetry. Empty, or misspelt, is no such wish, and ONNX Runtime would take it for one.
if os.environ.get(TELEMETRY_VARIABLE, "").strip().lower() not in _WANTED:
    os.environ[TELEMETRY_VARIABLE] = "1"

import onnxruntime as ort  # noqa: E402

__all__ = ["TELEMETRY_VARIABLE", "ort"]
