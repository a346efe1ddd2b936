"""The timing of stages from outside: functions are replaced by timed ones for the length of a block.

Nothing in the server knows of it, and outside of the block nothing is slower.
"""

from __future__ import annotations

import inspect
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from service.api.methods import Method, StreamMethod, UnaryMethod
from service.repository import Repository
from service.serving.batcher import Batcher
from service.serving.inference import Serving
from service.serving.prediction import Prediction
from service.serving.recorder import Recorder
from service.serving.session import Session
from service.transport import wire

_HANDLERS = [import_module(f"service.api.v1.{name}") for name in ("predict", "chunks")]
_CALIBRATIONS = 2001
PARSE, CHECKS, ENCODE, METRICS, PUBLISH = STAGES = ("parse", "checks", "encode", "metrics", "publish")
# The functions of each stage: where they are looked up, and their name.
_FUNCTIONS: list[tuple[str, Any, str]] = [
    (PARSE, wire, "check"),
    *((CHECKS, module, "decode_row") for module in _HANDLERS),
    (CHECKS, Repository, "route"),
    (CHECKS, Batcher, "refuse"),
    (CHECKS, Session, "answered"),
    *((ENCODE, module, "write") for module in _HANDLERS),
    (ENCODE, _HANDLERS[0], "PredictResponse"),
    (ENCODE, _HANDLERS[1], "ChunkResult"),
    (ENCODE, _HANDLERS[1], "field"),
    (ENCODE, Session, "advance"),
    *((METRICS, Recorder, name) for name in ("succeeded", "sequence_ended", "call_ended")),
    (PUBLISH, Prediction, "of"),
    (PUBLISH, Serving, "publish"),
]


class StageTimers:
    """The time spent in each stage, without that of stages inside of it."""

    def __init__(self) -> None:
        self.ns: Counter[str] = Counter()
        self._inner = self._own_ns = 0
        timed, readings = self.timed("", _nothing), []
        for _ in range(_CALIBRATIONS):
            timed()
            readings.append(self.ns.pop(""))
        # What a timer reads when nothing happens.
        self._own_ns = int(statistics.median(readings))

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same, and whose time is added to a stage."""
        clock, ns, own_ns = time.thread_time_ns, self.ns, self._own_ns

        def timed(*arguments: Any, **named: Any) -> Any:
            outer, self._inner = self._inner, 0
            began = clock()
            try:
                return function(*arguments, **named)
            finally:
                took = clock() - began
                ns[stage] += took - self._inner - own_ns
                self._inner = outer + took

        return timed

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Time the functions of all stages within the block."""
        before = [(owner, name, inspect.getattr_static(owner, name)) for _, owner, name in _FUNCTIONS]
        for stage, owner, name in _FUNCTIONS:
            function = inspect.getattr_static(owner, name)
            of_class = isinstance(function, classmethod)
            timed = self.timed(stage, function.__func__ if of_class else function)
            setattr(owner, name, classmethod(timed) if of_class else timed)
        try:
            yield
        finally:
            for owner, name, function in before:
                setattr(owner, name, function)

    def around(self, method: Method) -> Method:
        """Return a method whose messages are parsed by a timed function."""
        request: Any = _TimedRequest(self.timed(PARSE, method.request.FromString), method.request.DESCRIPTOR)
        return replace(method, request=request) if isinstance(method, UnaryMethod | StreamMethod) else method


def _nothing() -> None:
    pass


@dataclass
class _TimedRequest:
    FromString: Callable[[bytes], Any]  # the name in protobuf
    DESCRIPTOR: Any
