"""The proof itself: cases are tried until the budget ends, failures are made small, each dimension gets a verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from service.certificate.case import Case
from service.certificate.fingerprint import fingerprint_here
from service.certificate.in_turn import try_in_turn
from service.certificate.material import Material
from service.certificate.schedule import Scope, cases
from service.certificate.shrink import shrink
from service.certificate.trial import try_case
from service.engine.runner import Runner
from soloist.v1 import certificate_pb2 as pb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.certificate.difference import Difference
    from service.engine.graph import Graph
    from soloist.v1.model_pb2 import Model

# Cases run so many at a time on one session: concurrency is one more thing that an answer must not depend on.
_THREADS = 4
_MAX_FAILURES_SHRUNK = 6
_LONGEST_FRAMES = 200
_FEWEST_RUNS = 8


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Where the proof ends: after `max_cases`, or after `seconds`, whichever is first."""

    seconds: float
    max_cases: int = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A case that differed, in as few dimensions as it still does, and how far."""

    case: Case
    difference: Difference


@dataclass(kw_only=True)
class _Tally:
    tried: int = 0
    worst: Failure | None = None
    smallest: Failure | None = None
    max_ulp: int = 0
    max_absolute: float = 0.0
    failures: int = field(default=0)


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
        model: its manifest; tells whether it streams, and its longest sequence.
        budget: when to stop.
        seed: of the random schedules; the same seed tries the same cases.
        samples: real sequences to test beside random numbers.
        progress: hears how many cases have been tried.

    """
    started = time.perf_counter()
    unit, scope = _scope(graph, model)
    attempt = _attempt(graph, Material(graph.signature, samples))
    tallies = {dimension: _Tally() for dimension in _dimensions(scope)}
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="soloist-certify") as pool:
        remaining = islice((case.times(unit) for case in cases(scope, seed)), budget.max_cases)
        tried = 0
        while (batch := list(islice(remaining, 4 * _THREADS))) and time.perf_counter() - started < budget.seconds:
            found = list(pool.map(attempt, batch))
            for case, difference in zip(batch, found, strict=True):
                _count(tallies, case, difference, attempt)
            tried += len(batch)
            if progress is not None:
                progress(tried)
    return pb.Certificate(
        fingerprint=fingerprint_here(),
        verdicts=[_verdict(dimension, tally) for dimension, tally in tallies.items()],
        seed=seed,
    )


def is_bitwise(certificate: pb.Certificate, *dimensions: pb.Dimension.ValueType) -> bool:
    """Tell whether all of the dimensions are proved bitwise."""
    proved = {verdict.dimension for verdict in certificate.verdicts if verdict.verdict == pb.VERDICT_BITWISE}
    return proved.issuperset(dimensions)


def _scope(graph: Graph, model: Model) -> tuple[int, Scope]:
    """Tell what can be varied, where a case's frame stands for how many of the model's."""
    signature = model.signature
    unit = signature.frames_per_run or 1
    longest = min(model.max_frames or _LONGEST_FRAMES, _LONGEST_FRAMES)
    return unit, Scope(
        batching=graph.takes_batches,
        padding=graph.takes_length and not signature.frames_per_run,
        chunking=model.causal and bool(signature.states or signature.frames_per_run),
        max_frames=max(longest // unit, _FEWEST_RUNS) if unit > 1 else longest,
    )


def _attempt(graph: Graph, material: Material) -> Callable[[Case], Difference | None]:
    if graph.signature.frames_per_run:
        return partial(try_in_turn, Runner(graph), material)
    return partial(try_case, graph, material)


def _dimensions(scope: Scope) -> list[pb.Dimension.ValueType]:
    applies = [
        (pb.DIMENSION_BATCH, scope.batching),
        (pb.DIMENSION_PADDING, scope.padding),
        (pb.DIMENSION_CHUNKING, scope.chunking),
    ]
    return [dimension for dimension, holds in applies if holds]


def _count(
    tallies: dict[pb.Dimension.ValueType, _Tally],
    case: Case,
    difference: Difference | None,
    attempt: Callable[[Case], Difference | None],
) -> None:
    for dimension in case.dimensions():
        tallies[dimension].tried += 1
    if difference is None:
        return
    involved = [tallies[dimension] for dimension in case.dimensions()]
    if min((tally.failures for tally in involved), default=0) < _MAX_FAILURES_SHRUNK:
        case = shrink(case, lambda each: attempt(each) is not None)
        difference = attempt(case) or difference
    failure = Failure(case=case, difference=difference)
    for dimension in case.dimensions():
        _blame(tallies[dimension], failure)


def _blame(tally: _Tally, failure: Failure) -> None:
    tally.failures += 1
    tally.max_ulp = max(tally.max_ulp, failure.difference.ulp)
    tally.max_absolute = max(tally.max_absolute, failure.difference.absolute)
    if tally.worst is None or (tally.worst.difference.is_rounding and not failure.difference.is_rounding):
        tally.worst = failure
    if tally.smallest is None or _size(failure.case) < _size(tally.smallest.case):
        tally.smallest = failure


def _size(case: Case) -> tuple[int, int, int]:
    return len(case.dimensions()), case.batch_size * (case.length + case.padding_frames), len(case.chunks)


def _verdict(dimension: pb.Dimension.ValueType, tally: _Tally) -> pb.DimensionVerdict:
    verdict = pb.DimensionVerdict(dimension=dimension, cases=tally.tried)
    if tally.worst is None or tally.smallest is None:
        # Without a case nothing was proved.
        verdict.verdict = pb.VERDICT_BITWISE if tally.tried else pb.VERDICT_NONE
        return verdict
    verdict.verdict = pb.VERDICT_ULP if tally.worst.difference.is_rounding else pb.VERDICT_NONE
    verdict.max_ulp, verdict.max_abs_difference = tally.max_ulp, tally.max_absolute
    smallest = tally.smallest
    verdict.failing_case.CopyFrom(smallest.case.to_message(tensor=smallest.difference.tensor))
    return verdict
