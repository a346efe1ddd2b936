"""Recalibration: a model's next version, whose BatchNorm statistics are blended with those of live traffic."""

from export.recalibrate.version import propose

__all__ = ["propose"]
