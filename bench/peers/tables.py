"""The tables of a run: rates and ratios of whole sequences and of streams, targets, and what each peer takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rich.table import Table

from bench.peers.catalogue import LOOP, PEERS, REFERENCE, version_of
from bench.peers.rounds import Found
from bench.peers.slices import STEPS, WHOLE
from bench.peers.summary import IN_FLIGHT, TARGETS, Cell, Spread, Summary

_NOTHING = "–"
_BUSY_RATIO = 0.95


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A table, for the terminal and for a page."""

    title: str
    columns: list[str]
    rows: list[list[str]]

    def as_rich(self) -> Table:
        """Return it for the terminal."""
        shown = Table(title=self.title, title_justify="left")
        for index, column in enumerate(self.columns):
            shown.add_column(column, justify="right" if index else "left")
        for row in self.rows:
            shown.add_row(*row)
        return shown

    def as_markdown(self) -> str:
        """Return it for a page, without its title."""
        lines = [self.columns, ["---", *["---:"] * (len(self.columns) - 1)], *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def sheets(found: Found) -> list[Sheet]:
    """Return all tables of a run."""
    summary = Summary(found.slices)
    return [
        *_rates(summary, WHOLE, "Whole sequences a second"),
        *_rates(summary, STEPS, "Steps of streams a second"),
        _targets(summary),
        _started(found),
        Sheet(title="Left out", columns=["peer", "why"], rows=[list(each) for each in found.left_out.items()]),
    ]


def _rates(summary: Summary, traffic: str, title: str) -> Iterable[Sheet]:
    counts = summary.in_flight()
    rates, ratios, latencies, processor = [], [], [], []
    for row in summary.rows(traffic):
        cells = [summary.cell(traffic, row, count) for count in counts]
        if row == LOOP:
            rates.append([row, *_each(cells, _rate), _NOTHING, _NOTHING])
            continue
        rates.append([row, *_each(cells, _rate), _wrong(cells), _failed(cells)])
        to_loop = _each(cells, lambda cell: _short(cell.to_loop))
        ratios.append([row, *_each(cells, lambda cell: _ratio(cell.to_reference)), " / ".join(to_loop)])
        latencies.append([row, *_each(cells, lambda cell: f"{cell.p50_ms:.2f} / {cell.p99_ms:.2f}")])
        processor.append([row, *_each(cells, lambda cell: f"{cell.server_us:.0f}")])
    if rates:
        columns = ["server", *(f"{count} in flight" for count in counts)]
        yield Sheet(title=title, columns=[*columns, "wrong answers", "failed"], rows=rates)
        loop = f"to the loop, {' / '.join(map(str, counts))}"
        yield Sheet(title=f"{title}: ratios to {REFERENCE}", columns=[*columns, loop], rows=ratios)
        yield Sheet(title=f"{title}: latencies in ms, p50 / p99", columns=columns, rows=latencies)
        yield Sheet(title=f"{title}: processor time of the server in µs", columns=columns, rows=processor)


def _targets(summary: Summary) -> Sheet:
    rows = []
    for target in TARGETS:
        found = [summary.ratio(target.traffic, target.row, target.other, count) for count in IN_FLIGHT]
        aims = (" / ".join(_aim(aim) for aim in aims) for aims in (target.targets, target.moonshots))
        met = [
            spread.median >= aim
            for spread, aim in zip(found, target.targets, strict=True)
            if spread is not None and aim is not None
        ]
        rows.append([target.title, *map(_ratio, found), *aims, f"{sum(met)} of {len(met)}" if met else _NOTHING])
    columns = ["Soloist over", *(f"{count} in flight" for count in IN_FLIGHT), "target", "moonshot", "met"]
    return Sheet(title="Targets", columns=columns, rows=rows)


def _started(found: Found) -> Sheet:
    rows = []
    for peer in PEERS:
        if peer.name in found.started:
            ready_seconds, mebibytes = found.started[peer.name]
            over = "; ".join(dict.fromkeys(api.over for api in peer.unary.values()))
            title = next(iter(peer.unary))
            rows.append(
                [title, version_of(peer) or "this environment", over, f"{ready_seconds:.1f}", f"{mebibytes:.0f}"]
            )
    return Sheet(title="What each takes", columns=["server", "version", "over", "start, s", "memory, MiB"], rows=rows)


def _each(cells: list[Cell | None], shown: Callable[[Cell], str]) -> list[str]:
    return [_NOTHING if cell is None else shown(cell) for cell in cells]


def _rate(cell: Cell) -> str:
    busy = " *" if cell.client_cpu_ratio > _BUSY_RATIO else ""
    return f"{cell.rate.median:,.0f} ({cell.rate.least:,.0f}–{cell.rate.most:,.0f}){busy}"


def _ratio(spread: Spread | None) -> str:
    return _NOTHING if spread is None else f"{spread.median:.2f} ({spread.least:.2f}–{spread.most:.2f})"


def _short(spread: Spread | None) -> str:
    return _NOTHING if spread is None else f"{spread.median:.2f}"


def _aim(aim: float | None) -> str:
    return _NOTHING if aim is None else f"{aim:g}"


def _wrong(cells: list[Cell | None]) -> str:
    present = [cell for cell in cells if cell is not None]
    return f"{sum(cell.wrong for cell in present):,} of {sum(cell.compared for cell in present):,}"


def _failed(cells: list[Cell | None]) -> str:
    counts: dict[str, int] = {}
    for cell in cells:
        for code, count in (cell.failures if cell is not None else {}).items():
            counts[code] = counts.get(code, 0) + count
    return ", ".join(f"{code}: {count:,}" for code, count in counts.items()) or "0"
