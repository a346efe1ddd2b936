"""Medians of the rounds, ratios within each round, and the targets."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from bench.peers.catalogue import LOOP, REFERENCE
from bench.peers.slices import STEPS, WHOLE, Slice


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The median of the rounds, the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Sum up at least one value."""
        return cls(median=statistics.median(values), least=min(values), most=max(values))


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One row at so many in flight. Ratios are those of rates in the same round; None: the other wasn't measured."""

    rate: Spread
    to_reference: Spread | None
    to_loop: Spread | None
    p50_ms: float
    p99_ms: float
    compared: int
    wrong: int
    failures: dict[str, int]
    client_cpu_ratio: float
    server_us: float


@dataclass(frozen=True, kw_only=True)
class Target:
    """A line of the targets' table: one row's rate to another's, for each number in flight."""

    title: str
    row: str
    other: str
    traffic: str
    targets: tuple[float | None, float | None, float | None]
    moonshots: tuple[float | None, float | None, float | None]


IN_FLIGHT = (1, 8, 32)
MOSEC, MERGING_MOSEC = "Mosec", "Mosec, batched, padding ignored"
LENGTHS_MOSEC = "Mosec, batched, lengths given"
AIO, HTTPUNK = "Soloist, grpc.aio", "Soloist, httpunk"
TARGETS = (
    Target(
        title="grpc.aio, whole sequences, to minimal grpc.aio",
        row=AIO,
        other=REFERENCE,
        traffic=WHOLE,
        targets=(0.8, 0.9, 1.0),
        moonshots=(0.9, 1.1, 1.2),
    ),
    Target(
        title="grpc.aio, steps of streams, to minimal grpc.aio",
        row=AIO,
        other=REFERENCE,
        traffic=STEPS,
        targets=(0.7, 0.9, 1.0),
        moonshots=(0.9, 1.1, 1.2),
    ),
    Target(
        title="httpunk, whole sequences, to minimal grpc.aio",
        row=HTTPUNK,
        other=REFERENCE,
        traffic=WHOLE,
        targets=(1.1, 2.0, 3.0),
        moonshots=(1.3, 3.0, 5.0),
    ),
    Target(
        title="httpunk, whole sequences, to Mosec",
        row=HTTPUNK,
        other=MOSEC,
        traffic=WHOLE,
        targets=(1.1, 1.5, 2.0),
        moonshots=(None, None, None),
    ),
    Target(
        title="httpunk, whole sequences, to Mosec batched, padding ignored",
        row=HTTPUNK,
        other=MERGING_MOSEC,
        traffic=WHOLE,
        targets=(None, None, None),
        moonshots=(None, None, 1.0),
    ),
    Target(
        title="httpunk, whole sequences, to Mosec batched, lengths given",
        row=HTTPUNK,
        other=LENGTHS_MOSEC,
        traffic=WHOLE,
        targets=(None, None, None),
        moonshots=(None, None, 1.0),
    ),
    Target(
        title="httpunk, steps of streams, to minimal grpc.aio",
        row=HTTPUNK,
        other=REFERENCE,
        traffic=STEPS,
        targets=(0.9, 2.0, 2.5),
        moonshots=(1.1, 3.0, 4.0),
    ),
)


class Summary:
    """All slices of a run, by traffic, row and number in flight."""

    def __init__(self, slices: Sequence[Slice]) -> None:
        self._slices: dict[tuple[str, str, int], list[Slice]] = {}
        for each in slices:
            self._slices.setdefault((each.traffic, each.row, each.in_flight), []).append(each)

    def rows(self, traffic: str) -> list[str]:
        """Return the rows of a table, in the order in which they were measured first."""
        return list(dict.fromkeys(row for kind, row, _ in self._slices if kind == traffic))

    def in_flight(self) -> list[int]:
        """Return the numbers in flight."""
        return sorted({count for _, _, count in self._slices})

    def cell(self, traffic: str, row: str, in_flight: int) -> Cell | None:
        """Return what came of one row; None if it was left out before."""
        slices = self._slices.get((traffic, row, in_flight))
        if not slices:
            return None
        failures: Counter[str] = Counter()
        for each in slices:
            failures.update(each.failures)
        return Cell(
            rate=Spread.of([each.rate for each in slices]),
            to_reference=self.ratio(traffic, row, REFERENCE, in_flight),
            to_loop=self.ratio(traffic, row, LOOP, in_flight),
            p50_ms=statistics.median(each.p50_ms for each in slices),
            p99_ms=statistics.median(each.p99_ms for each in slices),
            compared=sum(each.compared for each in slices),
            wrong=sum(each.wrong for each in slices),
            failures=dict(failures),
            client_cpu_ratio=max(each.client_cpu_ratio for each in slices),
            server_us=statistics.median(each.server_us for each in slices),
        )

    def ratio(self, traffic: str, row: str, other: str, in_flight: int) -> Spread | None:
        """Return one row's rate to another's in the same rounds; None if they share none."""
        rates = {each.round: each.rate for each in self._slices.get((traffic, other, in_flight), [])}
        own = self._slices.get((traffic, row, in_flight), [])
        ratios = [each.rate / rates[each.round] for each in own if rates.get(each.round)]
        return Spread.of(ratios) if ratios else None
