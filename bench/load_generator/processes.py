"""One load from several processes: they start together, and their histograms are merged."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier
from typing import Any, TypeVar

import uvloop

from bench.load_generator.alone import Alone, answers_alone
from bench.load_generator.load import Load, Transport
from bench.load_generator.report import Summary
from bench.load_generator.run import Part, measure, run_part, summary_of
from bench.load_generator.workload import Given

_T = TypeVar("_T")

_READY_SECONDS = 60.0
_barrier: Barrier  # of a child; set before its work begins


def measure_load(load: Load, sequences: Sequence[Given] | None = None) -> Summary:
    """Load a server from load.processes processes and sum up what it did. Raises as `run.measure` does."""
    if load.processes == 1:
        return _run_loop(load, measure(load, sequences, await_start=_spare))
    alone = _run_loop(load, answers_alone(load, sequences)) if load.check else None
    # A forked gRPC library doesn't work.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        load.processes, mp_context=context, initializer=_take, initargs=(context.Barrier(load.processes),)
    ) as pool:
        futures = [pool.submit(_run, load, sequences, alone, number) for number in range(load.processes)]
        errors = [error for future in futures if (error := future.exception()) is not None]
    # Where one fails before the start, the others only know that somebody did.
    for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return summary_of(load, [future.result() for future in futures])


def _take(barrier: Barrier) -> None:
    global _barrier  # a pool hands locks over in no other way
    _barrier = barrier


def _run(load: Load, sequences: Sequence[Given] | None, alone: Alone | None, number: int) -> Part:
    def await_start() -> None:
        _spare()
        _barrier.wait(_READY_SECONDS)

    try:
        return _run_loop(load, run_part(load, sequences, number=number, alone=alone, await_start=await_start))
    except BaseException:
        _barrier.abort()
        raise


def _spare() -> None:
    """Let the garbage collector never look again at what is there before a load begins: it would delay requests."""
    gc.collect()
    gc.freeze()


def _run_loop(load: Load, work: Coroutine[Any, Any, _T]) -> _T:
    with asyncio.Runner(loop_factory=_loop_factory(load.client)) as runner:
        return runner.run(work)


def _loop_factory(client: Transport) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the event loop that suits a library, None for asyncio's own."""
    return None if client is Transport.GRPC_AIO else uvloop.new_event_loop
