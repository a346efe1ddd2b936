"""Makes a failing case as small as it gets while it still fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from service.certificate.case import GARBAGE, ZEROS, Case

_MAX_TRIES = 200


def shrink(case: Case, fails: Callable[[Case], bool]) -> Case:
    """Take steps towards "alone and whole", each of which still fails, until none does or the tries are over.

    Something always stays varied. ONNX Runtime's BatchNormalization in training mode changes its own statistics, so
    that the same run gives two answers; a case that varies nothing would fail there, and tell nothing.
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
        if case.mate_scale != 1.0:
            yield replace(case, mate_scale=1.0)
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
