"""Recalibration: a next version whose BatchNorm statistics are blended with those of live traffic, behind gates."""

from export.recalibrate.version import propose

__all__ = ["propose"]
