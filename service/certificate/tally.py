"""The tally of cases in one dimension: failures made small, the largest and the smallest of them, and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from service.certificate.cases import GARBAGE, ZEROS, Case
from soloist.v1 import certificate_pb2 as pb

if TYPE_CHECKING:
    from service.certificate.difference import Difference

_MAX_TRIES = 200
_MAX_FAILURES_SHRUNK = 6


def shrink(case: Case, fails: Callable[[Case], bool]) -> Case:
    """Take steps towards "alone and whole" that still fail, until none does or the tries are used up.

    At least one thing stays varied. ONNX Runtime's BatchNormalization in training mode changes its own statistics, so
    that the same run gives two answers; a case that varies nothing would fail there, and show nothing.
    """
    tries = 0
    progress = True
    while progress and tries < _MAX_TRIES:
        progress = False
        for simpler in filter(Case.dimensions, _simpler(case)):
            tries += 1
            if fails(simpler):
                case, progress = simpler, True
                break
            if tries >= _MAX_TRIES:
                break
    return case


def _simpler(case: Case) -> Iterator[Case]:
    for dimension in case.dimensions():
        yield case.without(dimension)
    if case.misaligned:
        yield replace(case, misaligned=False)
    if case.batch_size > 1:
        yield from (replace(case, batch_size=size) for size in _smaller(case.batch_size, 2))
        if case.neighbour_scale != 1.0:
            yield replace(case, neighbour_scale=1.0)
    if case.padding_frames:
        yield from (replace(case, padding_frames=frames) for frames in _smaller(case.padding_frames, 1))
        if case.padding != ZEROS:
            yield replace(case, padding=ZEROS)
            if case.padding != GARBAGE:
                yield replace(case, padding=GARBAGE)
    yield from (replace(case, chunks=chunks) for chunks in _fewer(case.chunks))


def _smaller(number: int, least: int) -> Iterator[int]:
    for candidate in (least, number // 2, number - 1):
        if least <= candidate < number:
            yield candidate


def _fewer(chunks: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    if len(chunks) == 1:
        yield from ((length,) for length in _smaller(chunks[0], 1))
        return
    middle = len(chunks) // 2
    yield sum(chunks[:middle]), sum(chunks[middle:])
    yield chunks[:middle] if middle > 1 else chunks[:2]
    yield chunks[1:]
    yield chunks[:-1]
    yield from ((*chunks[:-1], length) for length in _smaller(chunks[-1], 1))
    yield from ((length, *chunks[1:]) for length in _smaller(chunks[0], 1))


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A failing case that varies as few dimensions as possible, and its difference."""

    case: Case
    difference: Difference


@dataclass(kw_only=True)
class Tally:
    """One dimension: cases tried and failed, the largest difference, and the two failures to report."""

    tried: int = 0
    worst: Failure | None = None
    smallest: Failure | None = None
    max_ulp: int = 0
    max_absolute: float = 0.0
    failures: int = 0


def count(
    tallies: Mapping[pb.Dimension.ValueType, Tally],
    case: Case,
    difference: Difference | None,
    attempt: Callable[[Case], Difference | None],
) -> None:
    """Count a case in all dimensions that it varies; `attempt` tries smaller ones after a failure."""
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


def _blame(tally: Tally, failure: Failure) -> None:
    tally.failures += 1
    tally.max_ulp = max(tally.max_ulp, failure.difference.ulp)
    tally.max_absolute = max(tally.max_absolute, failure.difference.absolute)
    if tally.worst is None or (tally.worst.difference.is_rounding and not failure.difference.is_rounding):
        tally.worst = failure
    if tally.smallest is None or _size(failure.case) < _size(tally.smallest.case):
        tally.smallest = failure


def _size(case: Case) -> tuple[int, int, int]:
    return len(case.dimensions()), case.batch_size * (case.length + case.padding_frames), len(case.chunks)


def verdict_on(dimension: pb.Dimension.ValueType, tally: Tally) -> pb.DimensionVerdict:
    """Return the verdict on one dimension."""
    verdict = pb.DimensionVerdict(dimension=dimension, cases=tally.tried)
    if tally.worst is None or tally.smallest is None:
        # Without a case nothing is certified.
        verdict.verdict = pb.VERDICT_BITWISE if tally.tried else pb.VERDICT_NONE
        return verdict
    verdict.verdict = pb.VERDICT_ULP if tally.worst.difference.is_rounding else pb.VERDICT_NONE
    verdict.max_ulp, verdict.max_abs_difference = tally.max_ulp, tally.max_absolute
    smallest = tally.smallest
    verdict.failing_case.CopyFrom(smallest.case.to_message(tensor=smallest.difference.tensor))
    return verdict
