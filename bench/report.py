"""What a run says in the end: figures for programs, and a table for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

from rich.table import Table

from bench.load import Load, Mode
from bench.recorder import Latency, Recorder

# Later than this at the 99th percentile, the generator's own delay is no longer small beside what it measures.
FELL_BEHIND_MS = 5.0


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What came of a load. `elapsed_seconds` runs from the start to the last answer."""

    load: Load
    scheduled: int
    answered: int
    errors: dict[str, int]
    elapsed_seconds: float
    frames_per_second: float
    sequence: Latency
    chunk: Latency | None  # streams only
    generator_late_p99_ms: float

    @classmethod
    def of(cls, load: Load, recorder: Recorder, *, scheduled: int, elapsed_seconds: float) -> Self:
        """Sum up a run."""
        return cls(
            load=load,
            scheduled=scheduled,
            answered=recorder.sequences.count,
            errors=dict(sorted(recorder.errors.items())),
            elapsed_seconds=elapsed_seconds,
            frames_per_second=recorder.frame_count / elapsed_seconds,
            sequence=recorder.sequences.latency(),
            chunk=recorder.chunks.latency() if load.mode is Mode.STREAM else None,
            generator_late_p99_ms=recorder.lateness.percentile_ms(99.0),
        )

    @property
    def fell_behind(self) -> bool:
        """Return whether requests left so late that the latencies are as much the generator's as the server's."""
        return self.generator_late_p99_ms > FELL_BEHIND_MS

    def as_json(self) -> dict[str, Any]:
        """Return everything as what `json` can write."""
        return {**asdict(self), "generator_fell_behind": self.fell_behind}


def table(summary: Summary) -> Table:
    """Lay the latencies out, one row a distribution."""
    load = summary.load
    title = f"{load.model}: {load.mode}, {load.rate_per_second:g} a second for {load.seconds:g} s, {load.arrivals}"
    columns = ("latency, ms", "count", "mean", "p50", "p90", "p99", "p99.9", "max")
    shown = Table(title=title, title_justify="left")
    for column in columns:
        shown.add_column(column, justify="left" if column == columns[0] else "right")
    for name, latency in (("sequence", summary.sequence), ("chunk", summary.chunk)):
        if latency is not None:
            times = (latency.mean_ms, latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p999_ms, latency.max_ms)
            shown.add_row(name, str(latency.count), *(f"{time:.2f}" for time in times))
    return shown


def remarks(summary: Summary) -> list[str]:
    """Return the rest in words: how many were answered, what failed and why, and whether the generator kept up."""
    lines = [
        f"{summary.answered} of {summary.scheduled} answered in {summary.elapsed_seconds:.1f} s, "
        f"{summary.frames_per_second:.0f} frames a second"
    ]
    lines += [f"failed, {reason}: {count}" for reason, count in summary.errors.items()]
    late = f"generator: p99 of its own delay {summary.generator_late_p99_ms:.2f} ms"
    if summary.fell_behind:
        late += f", above {FELL_BEHIND_MS:g}: it FELL BEHIND, and the latencies are partly its own"
    return [*lines, late]
