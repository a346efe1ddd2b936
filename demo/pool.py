"""Work in processes of their own, several at once, and what they tell while they are at it."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

_POLL_SECONDS = 0.1
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Step:
    """How far a job is: `done` of `total`, and what comes next in words."""

    name: str
    done: int
    total: int
    text: str
    finished: bool = False


Show = Callable[[Step], None]


class _Worker:
    """What a worker process is given when it starts."""

    steps: Queue[Step]


def run_all(work: Callable[..., T], jobs: Mapping[str, tuple[Any, ...]], *, processes: int, show: Show) -> dict[str, T]:
    """Call `work(name, *arguments)` for every job and give the results by name. Raises what a worker raises.

    `work` is a function of a module; imports of torch inside it stay out of this process.
    """
    context = get_context("spawn")  # a forked torch may hang
    steps: Queue[Step] = context.Queue()
    with ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(steps,)) as pool:
        futures = {pool.submit(work, name, *arguments): name for name, arguments in jobs.items()}
        pending, results = set(futures), dict[str, T]()
        while pending:
            done, pending = wait(pending, timeout=_POLL_SECONDS)
            _drain(steps, show)
            try:
                results |= {futures[future]: future.result() for future in done}
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    _drain(steps, show)  # what the workers said last
    return {name: results[name] for name in jobs}


def tell(step: Step) -> None:
    """Report, in a worker, how far a job is."""
    _Worker.steps.put(step)


def _drain(steps: Queue[Step], show: Show) -> None:
    while True:
        try:
            show(steps.get_nowait())
        except queue.Empty:
            return


def _begin(steps: Queue[Step]) -> None:
    _Worker.steps = steps
