"""The page of every metric: type, unit, labels, closed sets, when its series appear, and how many there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from service.access import credentials
from service.app import access_log, logging_setup, model_repository, process_resources, span_counts, supervisor
from service.core import client_shares, failures
from service.core.metrics import (
    CALL,
    VERSION,
    CounterFamily,
    Family,
    GaugeFamily,
    HistogramFamily,
    Merge,
    Start,
    SummaryFamily,
)
from service.observers import shadow_metrics as shadow
from service.observers.feedback import metrics as feedback
from service.observers.feedback.accuracy import SLICES
from service.observers.live_check import metrics as live_check
from service.observers.skew import metrics as skew
from service.observers.skew import trust_metrics as trust
from service.sealing import metrics as sealing
from service.serving import call_metrics, resume_metrics, session_metrics, statistics, store_metrics
from service.serving.call_metrics import ALERTED_CODES, INFERENCE_APIS, VERSION_APIS
from service.transport import certificates

_PARTS: Final[tuple[tuple[str, tuple[Family, ...]], ...]] = (
    ("Calls and runs", (*call_metrics.FAMILIES, *statistics.FAMILIES)),
    ("Sessions", session_metrics.FAMILIES),
    ("Access", (*credentials.FAMILIES, *client_shares.FAMILIES)),
    ("Resume tokens", (*resume_metrics.FAMILIES, *sealing.FAMILIES)),
    ("Sequence store", store_metrics.FAMILIES),
    ("Versions", model_repository.FAMILIES),
    ("Live check", live_check.FAMILIES),
    ("Shadows", shadow.FAMILIES),
    ("Labels and accuracy", (*feedback.FAMILIES, *trust.FAMILIES)),
    ("Normaliser skew", skew.FAMILIES),
    (
        "The process",
        (
            *(*process_resources.FAMILIES, *failures.FAMILIES, *logging_setup.FAMILIES),
            *(*access_log.FAMILIES, *span_counts.FAMILIES, *supervisor.FAMILIES, *certificates.FAMILIES),
        ),
    ),
)
_TYPES: Final = {
    CounterFamily: "counter",
    GaugeFamily: "gauge",
    SummaryFamily: "summary: sum and count",
    HistogramFamily: "histogram",
}
_UNITS: Final = ("seconds", "bytes", "ratio", "nats", "frames")
_HEAD: Final = """\
# Metrics

<!-- Written by `make reference`. Don't edit it. -->

`/metrics` on the HTTP port shows these, and `process_…` and `python_info` of the Prometheus client. Labels are taken
from closed sets: nothing that a caller makes up becomes a series. Calls whose model isn't known count with an empty
`model` and `version`.

Of [several processes](../processes.md) the page shows the sum, unless a gauge says otherwise.

A series that appears when a version is ready is there before anything happens, because `rate()` loses the first
increment of a new series. The others come with their first observation, which a quantile then misses until the next
one. `soloist_requests_total` starts with the codes that alerts read ({codes}).
"""
_FORMULA: Final = """\
## How many series there are

Let V be a version. Its series are the sum of:

| what | series |
|---|---|
| V is ready | {ready} = {apis} methods × {codes} codes that alerts read + {others} |
| its model names classes | {classes} |
| it has a probe with L layers, or an input reference | {probe} + {layer} L, less where a layer has no reference |
| it is known whether its estimate can be trusted | {trust} |
| each shadow that gets copies of its answers | {pair} |
| each method that has answered with predictions ({inference}) | {inference_api} |
| each other method that was called for it | {other_api} |
| its first answer | {answered} |
| each further code that a method ended with | 1 |
| the prediction log, in each of its windows | {window} |
| the same once labels have come | {labelled}, up to {slices} of slices, and one per pair of classes that occurred |

A model has {model} series in addition to those of its versions, and {delay} more if it names classes.

So a version with everything on that is called by one method, with one code and before the first label, has
{total} + {layer} L series with three windows, those of its model included: at most 250 with up to {max_layers} layers.
`python -m bench.scrape --model REPOSITORY/MODEL` prints them for a real server.
"""
_MOST_SERIES: Final = 250
_WINDOWS: Final = 3


def families() -> tuple[Family, ...]:
    """Return every metric that the server declares."""
    return tuple(family for _, part in _PARTS for family in part)


def page() -> str:
    """Return the page, in Markdown."""
    head = _HEAD.format(codes=", ".join(f"`{code}`" for code in ALERTED_CODES))
    return "\n".join([head, *(_section(title, part) for title, part in _PARTS), _FORMULA.format(**_terms())])


def ready_series(*, names_classes: bool = False, layers: int | None = None) -> int:
    """Return how many series a version has when it is ready; `layers` are those of its probe, if it has one."""
    count = len(VERSION_APIS) * len(ALERTED_CODES) + _others()
    count += _classes() if names_classes else 0
    return count if layers is None else count + _probe() + _layer() * layers


def api_series(*, answers_sequences: bool) -> int:
    """Return how many series a version gets with the first call of one method."""
    if not answers_sequences:
        return call_metrics.REQUEST_SECONDS.lines
    return _lines(family for family in call_metrics.FAMILIES if family.labels == CALL)


def answered_series() -> int:
    """Return how many series a version gets with its first answer, whatever the method."""
    parts = (*call_metrics.FAMILIES, *statistics.FAMILIES)
    return _lines(family for family in parts if family.labels == VERSION)


def _lines(some: Iterable[Family]) -> int:
    return sum(family.lines * max(1, len(family.values)) for family in some)


def _others() -> int:
    return _lines((statistics.PREDICTIONS, *model_repository.FAMILIES, *live_check.FAMILIES))


def _classes() -> int:
    return _lines((feedback.LABELS, feedback.DROPPED))


def _probe() -> int:
    return _lines(family for family in skew.FAMILIES if "layer" not in family.labels)


def _layer() -> int:
    return _lines(family for family in skew.FAMILIES if "layer" in family.labels)


def _terms() -> dict[str, object]:
    before_labels = _lines((feedback.COVERAGE, feedback.ESTIMATE, feedback.LABELLED))
    totals = _lines(family for family in feedback.FAMILIES if "slice" in family.labels)
    model, delay = _lines(session_metrics.FAMILIES), feedback.LABEL_DELAY_SECONDS.lines
    total = ready_series(names_classes=True, layers=0) + _lines(shadow.FAMILIES)
    total += _lines(trust.FAMILIES)
    total += api_series(answers_sequences=True) + answered_series() + _WINDOWS * before_labels + model + delay
    return {
        "ready": ready_series(),
        "apis": len(VERSION_APIS),
        "codes": len(ALERTED_CODES),
        "others": _others(),
        "classes": _classes(),
        "probe": _probe(),
        "layer": _layer(),
        "trust": _lines(trust.FAMILIES),
        "pair": _lines(shadow.FAMILIES),
        "inference": ", ".join(f"`{api}`" for api in INFERENCE_APIS),
        "inference_api": api_series(answers_sequences=True),
        "other_api": api_series(answers_sequences=False),
        "answered": answered_series(),
        "window": before_labels,
        "labelled": totals,
        "slices": sum(len(each.starts) for each in SLICES),
        "model": model,
        "delay": delay,
        "total": total,
        "max_layers": (_MOST_SERIES - total) // _layer(),
    }


def _section(title: str, part: tuple[Family, ...]) -> str:
    head = (
        f"## {title}",
        "",
        "| metric | type | unit | labels | appears when | meaning |",
        "|---|---|---|---|---|---|",
    )
    return "\n".join([*head, *(_row(family) for family in part), ""])


def _row(family: Family) -> str:
    cells = (f"`{family.name}`", _type(family), _unit(family), _labels(family), _appears(family), family.text)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(family: Family) -> str:
    kind = _TYPES[type(family)]
    if isinstance(family, HistogramFamily):
        kind += f", {len(family.buckets)} buckets from {family.buckets[0]:,.9g} to {family.buckets[-1]:,.9g}"
    if isinstance(family, GaugeFamily) and family.merge is not Merge.SUM:
        kind += f"; of several processes {family.merge}"
    return kind


def _unit(family: Family) -> str:
    words = family.name.removesuffix("_total").split("_")
    return next((unit for unit in _UNITS if unit == words[-1]), "number")


def _labels(family: Family) -> str:
    labels = [f"`{label}`" for label in family.labels]
    if family.values:
        labels[-1] += f" ({', '.join(f'`{value}`' for value in family.values)})"
    return ", ".join(labels)


def _appears(family: Family) -> str:
    if family.name == call_metrics.REQUESTS.name:
        return f"{Start.VERSION}; other codes when {Start.FIRST}"
    return str(family.start)
