"""One load from several processes: they start together, and their histograms are merged."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier

from bench.alone import Alone, answers_alone
from bench.load import Load
from bench.report import Summary
from bench.run import Part, measure, run_part, summary_of
from bench.workload import Given

_READY_SECONDS = 60.0
_barrier: Barrier  # of a child; set before its work begins


def measure_load(load: Load, sequences: Sequence[Given] | None = None) -> Summary:
    """Load a server from load.processes processes and sum up what it did. Raises as `bench.run.measure` does."""
    if load.processes == 1:
        return asyncio.run(measure(load, sequences))
    alone = asyncio.run(answers_alone(load, sequences)) if load.check else None
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
    def await_start() -> object:
        return _barrier.wait(_READY_SECONDS)

    try:
        return asyncio.run(run_part(load, sequences, number=number, alone=alone, await_start=await_start))
    except BaseException:
        _barrier.abort()
        raise
