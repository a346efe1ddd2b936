"""What a run says in the end: figures for programs, and a table for people."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from rich.table import Table

from bench.load_generator.load import Load, Mode
from bench.recorder import Latency, Recorder

# Later than this at the 99th percentile, the generator's own delay is no longer small beside what it measures.
FELL_BEHIND_MS = 5.0
# A process of the closed loop that computes for more of the time than this asks as fast as it can, not as the server.
BUSY_RATIO = 0.9


@dataclass(frozen=True, kw_only=True)
class Failures:
    """Requests that failed alike; `code` is None where nothing was sent."""

    code: str | None
    reason: str
    count: int

    def __str__(self) -> str:
        kind = self.reason if self.code in (None, self.reason) else f"{self.code} {self.reason}"
        return f"failed, {kind}: {self.count}"


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
    error_codes: dict[str, int] = field(default_factory=dict)
    failures: list[Failures] = field(default_factory=list)
    whole: Latency | None = None  # sequences of a mixed load that were sent whole
    stream: Latency | None = None  # and those that were streams
    compared: int | None = None  # answers that were compared to those that the same requests have alone
    differing: int | None = None
    answered_by_second: list[int] = field(default_factory=list)
    deadline_misses: int | None = None  # paced streams only
    # Processor time of the generator's busiest process, of elapsed; None where it waits awake.
    generator_cpu_ratio: float | None = None

    @classmethod
    def of(
        cls,
        load: Load,
        recorder: Recorder,
        *,
        scheduled: int,
        elapsed_seconds: float,
        cpu_ratio: float | None = None,
    ) -> Self:
        """Sum up a run."""
        mixed = load.mode is Mode.MIXED
        return cls(
            load=replace(load, tls=None, token=None),  # keys and secrets get into no report
            scheduled=scheduled,
            answered=recorder.sequences.count,
            errors=dict(sorted(recorder.errors.items())),
            elapsed_seconds=elapsed_seconds,
            frames_per_second=recorder.frame_count / elapsed_seconds,
            sequence=recorder.sequences.latency(),
            chunk=recorder.chunks.latency() if load.streams else None,
            generator_late_p99_ms=recorder.lateness.percentile_ms(99.0),
            error_codes=dict(sorted(recorder.error_codes.items())),
            deadline_misses=recorder.deadline_misses if load.paced else None,
            generator_cpu_ratio=None if load.waits_awake else cpu_ratio,
            failures=[
                Failures(code=code or None, reason=reason, count=count)
                for (code, reason), count in sorted(recorder.failures.items())
            ],
            whole=recorder.whole.latency() if mixed else None,
            stream=recorder.streams.latency() if mixed else None,
            compared=recorder.compared_count if load.check else None,
            differing=recorder.differing if load.check else None,
            answered_by_second=[recorder.timeline[second] for second in range(math.ceil(elapsed_seconds))],
        )

    @property
    def fell_behind(self) -> bool:
        """Return whether the generator, not the server, is what the figures tell about.

        Requests left late, or its event loop was late, or one of its processes had no time left.
        """
        return self.generator_late_p99_ms > FELL_BEHIND_MS or (self.generator_cpu_ratio or 0.0) > BUSY_RATIO

    @property
    def answers_per_second(self) -> float:
        """Return the rate of whole sequences that were answered."""
        return self.answered / self.elapsed_seconds

    def distributions(self) -> dict[str, Latency]:
        """Return each distribution that was measured, by its name."""
        named = {"sequence": self.sequence, "  whole": self.whole, "  stream": self.stream, "chunk": self.chunk}
        return {name: latency for name, latency in named.items() if latency is not None}

    def as_json(self) -> dict[str, Any]:
        """Return everything as what `json` can write."""
        rate, found = self.answers_per_second, asdict(self)
        del found["load"]["tls"], found["load"]["token"]
        return {**found, "answers_per_second": rate, "generator_fell_behind": self.fell_behind}


def title(summary: Summary) -> str:
    """Say in a line what the load was."""
    load = summary.load
    how = f"{load.rate_per_second:g} a second for {load.seconds:g} s, {load.arrivals}"
    if load.callers:
        how = f"{load.callers} callers for {load.seconds:g} s"
    return f"{load.model}: {load.mode}, {how}"


def table(summary: Summary) -> Table:
    """Lay the latencies out, one row a distribution."""
    columns = ("latency, ms", "count", "mean", "p50", "p90", "p99", "p99.9", "max")
    shown = Table(title=title(summary), title_justify="left")
    for column in columns:
        shown.add_column(column, justify="left" if column == columns[0] else "right")
    for name, latency in summary.distributions().items():
        times = (latency.mean_ms, latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p999_ms, latency.max_ms)
        shown.add_row(name, str(latency.count), *(f"{time:.2f}" for time in times))
    return shown


def remarks(summary: Summary) -> list[str]:
    """Return the rest in words: how many were answered, what failed and why, and whether the generator kept up."""
    lines = [
        f"{summary.answered} of {summary.scheduled} answered in {summary.elapsed_seconds:.1f} s, "
        f"{summary.answers_per_second:.0f} sequences and {summary.frames_per_second:.0f} frames a second"
    ]
    if summary.deadline_misses is not None and summary.chunk is not None:
        lines.append(f"deadline misses: {summary.deadline_misses} of {summary.chunk.count} chunks")
    if summary.compared is not None:
        lines.append(f"compared to the bit: {summary.differing} of {summary.compared} answers differ from those alone")
    lines += [str(failures) for failures in summary.failures]
    return [*lines, *_about_generator(summary)]


def _about_generator(summary: Summary) -> list[str]:
    """Say how late and how busy it was, and in the last line, where it was too much, that it is the bottleneck."""
    lines = [f"generator: p99 of its own delay {summary.generator_late_p99_ms:.2f} ms"]
    if summary.generator_late_p99_ms > FELL_BEHIND_MS:
        lines[0] += f", above {FELL_BEHIND_MS:g}: it FELL BEHIND, and the latencies are partly its own"
    if summary.generator_cpu_ratio is not None:
        lines[0] += f"; its busiest process computed {summary.generator_cpu_ratio:.0%} of the time"
    if summary.fell_behind:
        waited = summary.generator_cpu_ratio is not None and summary.generator_cpu_ratio < BUSY_RATIO / 2
        lines.append(
            "the GENERATOR had to wait for a processor, so the figures aren't the server's: give it a core of its own"
            if waited
            else "the GENERATOR is the bottleneck, not the server: give it more processes or cores"
        )
    return lines
