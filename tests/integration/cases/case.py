"""Owns what one kind of bad input is: who is asked what, and what the answer must be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from service.core.reasons.error_kind import ErrorKind
from tests.integration.asking import Asker


@dataclass(frozen=True, kw_only=True)
class Case:
    """`ask` sends it; `facts` are those that must be told, as text."""

    name: str
    reason: ErrorKind
    code: str
    ask: Callable[[Asker], object]
    facts: Mapping[str, str] = field(default_factory=dict)
