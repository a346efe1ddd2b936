"""Lint: every node of an ONNX file by which an answer may depend on its batch, padding or chunks is named."""

from export.lint.finding import Finding, UnreadableModelError
from export.lint.linter import lint_model

__all__ = ["Finding", "UnreadableModelError", "lint_model"]
