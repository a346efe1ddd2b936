"""What callers are told when a call fails: `Reason` has every reason by name, `ServiceError` one with its facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from service.core.reasons.access import AccessReasons
from service.core.reasons.capacity import CapacityReasons
from service.core.reasons.comparisons import ComparisonReasons
from service.core.reasons.error_kind import ErrorKind
from service.core.reasons.inputs import InputReasons
from service.core.reasons.messages import MessageReasons
from service.core.reasons.models import ModelReasons
from service.core.reasons.monitoring import MonitoringReasons
from service.core.reasons.open_inference import OpenInferenceReasons
from service.core.reasons.streams import StreamReasons

# Facts repeat what callers sent. An error travels in headers, and gRPC bounds their size.
_MAX_FACT_CHARACTERS = 256


class Reason(
    ModelReasons,
    InputReasons,
    StreamReasons,
    OpenInferenceReasons,
    CapacityReasons,
    MessageReasons,
    AccessReasons,
    ComparisonReasons,
    MonitoringReasons,
):
    """All reasons, in groups; the names are flat, and stable."""


REASONS: Final[Mapping[str, ErrorKind]] = {
    name: reason for group in Reason.__bases__ for name, reason in vars(group).items() if isinstance(reason, ErrorKind)
}


class _Facts(dict[str, object]):
    def __missing__(self, name: str) -> str:
        return "?"


class ServiceError(Exception):
    """A failure that callers see as it is. Any other exception reaches them as "internal error"."""

    def __init__(self, reason: ErrorKind, **facts: object) -> None:
        self.reason = reason
        self.facts = {name: _clipped(value) for name, value in facts.items()}
        facts_or_unknown = _Facts(self.facts)
        sentence = reason.sentence.format_map(facts_or_unknown)
        self.hint = reason.hint.format_map(facts_or_unknown)
        super().__init__(f"{sentence}: {self.hint}" if self.hint else sentence)


def _clipped(value: object) -> object:
    text = str(value)
    return value if len(text) <= _MAX_FACT_CHARACTERS else f"{text[:_MAX_FACT_CHARACTERS]}…"
