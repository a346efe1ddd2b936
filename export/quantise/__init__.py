"""Int8 variants of exported models: `quantise_model` makes one, certified, beside its float32 model."""

from export.quantise.model import METHODS, Method, quantise_model

__all__ = ["METHODS", "Method", "quantise_model"]
