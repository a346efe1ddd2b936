"""Random histories: hypothesis chooses what callers, workers, clock and operator do next, and makes failures short."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import structlog

from bench.state_machine.sequence_steps import SequenceSteps
from bench.state_machine.server_steps import ServerSteps
from bench.state_machine.store_steps import StoreSteps
from bench.state_machine.stored_steps import StoredSteps
from bench.state_machine.stream_steps import StreamSteps
from bench.state_machine.token_steps import TokenSteps


class Histories(StreamSteps, TokenSteps, SequenceSteps, StoredSteps, StoreSteps, ServerSteps):
    """All that may happen to a server and its callers: each kind of step has a file of its own."""


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Log nothing in a block: a server logs every failure, and histories are full of them."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop])
    try:
        yield
    finally:
        structlog.configure(**before)


def _drop(*_: object) -> Any:
    raise structlog.DropEvent
