"""The one error of an export."""

from __future__ import annotations


class ExportError(Exception):
    """A model cannot be exported as it is, or the exported file failed a check. Nothing was written."""
