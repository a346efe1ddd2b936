"""The making of a certificate: cases until the budget ends, failures made small, a verdict on each dimension."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from service.certificate.cases import Case, Scope, cases
from service.certificate.fingerprint import fingerprint_here
from service.certificate.fixed_window import try_fixed_windows
from service.certificate.sequence_generator import SequenceGenerator
from service.certificate.tally import Tally, count, verdict_on
from service.certificate.trial import try_case
from service.engine.runner import Runner
from soloist.v1 import certificate_pb2 as pb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.certificate.difference import Difference
    from service.engine.graph import Graph
    from soloist.v1.model_pb2 import Model

# Cases run this many at a time on one session, since an answer must not depend on concurrency either.
_THREADS = 4
_LONGEST_FRAMES = 200
_FEWEST_RUNS = 8


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The end of certifying: after `max_cases` or after `seconds`, whichever is first."""

    seconds: float
    max_cases: int = 1_000_000


def certify(
    graph: Graph,
    model: Model,
    budget: Budget,
    *,
    seed: int = 0,
    samples: Sequence[NDArray[Any]] = (),
    progress: Callable[[int], None] | None = None,
) -> pb.Certificate:
    """Try to find a case in which the answer's bits differ from those of the same sequence alone and whole.

    Args:
        graph: the model, loaded as the server loads it.
        model: its manifest, with its states and its longest sequence.
        budget: when to stop.
        seed: of the random schedules; the same seed tries the same cases.
        samples: real sequences to test in addition to random numbers.
        progress: called with the number of cases tried so far.

    """
    started = time.perf_counter()
    unit, scope = _scope(graph, model)
    attempt = _attempt(graph, SequenceGenerator(graph.signature, samples))
    tallies = {dimension: Tally() for dimension in _dimensions(scope)}
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="soloist-certify") as pool:
        remaining = islice((case.times(unit) for case in cases(scope, seed)), budget.max_cases)
        tried = 0
        while (batch := list(islice(remaining, 4 * _THREADS))) and time.perf_counter() - started < budget.seconds:
            found = list(pool.map(attempt, batch))
            for case, difference in zip(batch, found, strict=True):
                count(tallies, case, difference, attempt)
            tried += len(batch)
            if progress is not None:
                progress(tried)
    return pb.Certificate(
        fingerprint=fingerprint_here(),
        verdicts=[verdict_on(dimension, tally) for dimension, tally in tallies.items()],
        seed=seed,
    )


def is_bitwise(certificate: pb.Certificate, *dimensions: pb.Dimension.ValueType) -> bool:
    """Return whether all of the dimensions are certified bitwise."""
    proved = {verdict.dimension for verdict in certificate.verdicts if verdict.verdict == pb.VERDICT_BITWISE}
    return proved.issuperset(dimensions)


def _scope(graph: Graph, model: Model) -> tuple[int, Scope]:
    """Return how many of the model's frames one frame of a case stands for, and what can be varied."""
    signature = model.signature
    unit = signature.frames_per_run or 1
    longest = min(model.max_frames or _LONGEST_FRAMES, _LONGEST_FRAMES)
    return unit, Scope(
        batching=graph.takes_batches,
        padding=graph.takes_length and not signature.frames_per_run,
        chunking=model.causal and bool(signature.states or signature.frames_per_run),
        max_frames=max(longest // unit, _FEWEST_RUNS) if unit > 1 else longest,
    )


def _attempt(graph: Graph, generator: SequenceGenerator) -> Callable[[Case], Difference | None]:
    if graph.signature.frames_per_run:
        return partial(try_fixed_windows, Runner(graph), generator)
    return partial(try_case, graph, generator)


def _dimensions(scope: Scope) -> list[pb.Dimension.ValueType]:
    applies = [
        (pb.DIMENSION_BATCH, scope.batching),
        (pb.DIMENSION_PADDING, scope.padding),
        (pb.DIMENSION_CHUNKING, scope.chunking),
    ]
    return [dimension for dimension, holds in applies if holds]
