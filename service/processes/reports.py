"""What a process reports of its metrics, and the reports of all processes as one page."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from prometheus_client import Metric

from service.core.metrics import Merge

# Name and labels of a sample.
Key = tuple[str, tuple[tuple[str, str], ...]]
_ADDED: Final = ("counter", "histogram", "summary")
# Gauges of the Prometheus client whose sum would mean nothing.
_FOREIGN: Final[Mapping[str, Merge]] = {
    "process_start_time_seconds": Merge.LEAST,
    "process_max_fds": Merge.LEAST,
    "python_info": Merge.MOST,
}


@dataclass(frozen=True, slots=True)
class Reported:
    """One metric of one process: its texts, how several are merged, and its samples in order."""

    text: str
    kind: str
    merge: Merge
    samples: Mapping[Key, float]


Report = Mapping[str, Reported]


def encoded(families: Iterable[Metric], merges: Mapping[str, Merge]) -> bytes:
    """Return metrics as bytes; a value that isn't a number leaves its metric out. `merges` has those of gauges."""
    heads, values = [], array("d")
    for family in families:
        try:
            numbers = array("d", (sample.value for sample in family.samples))
        except TypeError:
            continue
        merge = merges.get(family.name, _FOREIGN.get(family.name, Merge.SUM))
        samples = [(sample.name, list(sample.labels.items())) for sample in family.samples]
        heads.append((family.name, family.documentation, family.type, merge, samples))
        values += numbers
    return values.tobytes() + json.dumps(heads).encode() + len(values).to_bytes(4)


def decoded(report: bytes) -> Report:
    """Return the metrics that `encoded` made bytes of."""
    size = 8 * int.from_bytes(report[-4:])
    values = iter(array("d", report[:size]))
    found = {}
    for name, text, kind, merge, heads in json.loads(report[size:-4]):
        samples = {(each, tuple(map(tuple, labels))): next(values) for each, labels in heads}
        found[name] = Reported(text, kind, Merge(merge), samples)
    return found


@dataclass(slots=True)
class Retired:
    """The counts of processes that have ended. Sums are exact, so what is shown never falls by a rounding."""

    texts: dict[str, tuple[str, str]] = field(default_factory=dict)
    counts: dict[str, dict[Key, Fraction]] = field(default_factory=dict)

    def add(self, report: Report) -> None:
        """Add the last report of a process."""
        for name, each in report.items():
            if each.kind in _ADDED:
                self.texts[name] = each.text, each.kind
                counts = self.counts.setdefault(name, {})
                for key, value in each.samples.items():
                    if math.isfinite(value):
                        counts[key] = counts.get(key, Fraction()) + Fraction(value)

    def copy(self) -> Retired:
        """Return the same counts, which don't change any more."""
        return Retired(dict(self.texts), {name: dict(counts) for name, counts in self.counts.items()})


def merged(reports: Sequence[Report], retired: Retired) -> Iterator[Metric]:
    """Yield every metric of several processes as one: counts of all, also of those that have ended, are added."""
    texts = {name: (each.text, each.kind) for report in reversed(reports) for name, each in report.items()}
    for name, (text, kind) in (retired.texts | texts).items():
        found = [report[name] for report in reports if name in report]
        metric = Metric(name, text, kind)
        gone = retired.counts.get(name, {})
        for key in dict.fromkeys([*(key for each in found for key in each.samples), *gone]):
            values = [each.samples[key] for each in found if key in each.samples]
            merge = Merge.SUM if kind in _ADDED else found[0].merge
            metric.add_sample(key[0], dict(key[1]), _merged(merge, values, gone.get(key)))
        yield metric


def _merged(merge: Merge, values: Sequence[float], gone: Fraction | None) -> float:
    if gone is not None and all(map(math.isfinite, values)):
        return float(gone + sum(map(Fraction, values)))
    numbers = [value for value in values if not math.isnan(value)]
    if not numbers:
        return math.nan
    match merge:
        case Merge.SUM:
            return math.fsum(numbers)
        case Merge.MOST:
            return max(numbers)
        case Merge.LEAST:
            return min(numbers)
        case Merge.FIRST:
            return numbers[0]
