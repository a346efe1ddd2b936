"""The verdicts as they are printed, and the words for figures."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from claims.judged import JudgedClaim
from claims.texts import Language, text
from claims.verdict import Figure, Verdict

_STYLES = {Verdict.SUPPORTED: "green", Verdict.REFUTED: "red", Verdict.DEPENDS: "yellow", Verdict.NOT_SHOWN: "dim"}
_HEADINGS: dict[Language, tuple[str, ...]] = {
    "en": ("#", "claim", "verdict", "key figure", "control"),
    "zh": ("序号", "说法", "结论", "关键数值", "对照"),
}
_UNITS: dict[Language, dict[str, str]] = {"en": {}, "zh": {"points": "个百分点", "bits": "比特", "bytes": "字节"}}
VERDICTS: dict[Language, dict[Verdict, str]] = {
    "en": {verdict: str(verdict) for verdict in Verdict},
    "zh": {
        Verdict.SUPPORTED: "支持",
        Verdict.REFUTED: "否定",
        Verdict.DEPENDS: "视情况而定",
        Verdict.NOT_SHOWN: "在此规模下未能显示",
    },
}


def table(claims: Sequence[JudgedClaim], language: Language) -> Table:
    """Return a row a claim."""
    rows = Table(*_HEADINGS[language], box=box.SIMPLE_HEAD)
    for claim in claims:
        words, judgement = text(claim.number, language), claim.judgement
        verdict = VERDICTS[language][judgement.verdict]
        control = judgement.control
        mark = "✓" if control.held else "✗"
        rows.add_row(
            str(claim.number),
            words.statement,
            f"[{_STYLES[judgement.verdict]}]{verdict}[/]",
            f"{words.label(judgement.key.name)}: {number(judgement.key, language)}",
            f"{mark} {words.label(control.figure.name)}: {number(control.figure, language)}",
        )
    return rows


def number(figure: Figure, language: Language = "en") -> str:
    """Return a figure with half the width of its interval, or with both ends where it is lopsided."""
    unit = f" {_UNITS[language].get(figure.unit, figure.unit)}" if figure.unit else ""
    if figure.low is None or figure.high is None:
        return f"{_short(figure.value)}{unit}"
    above, below = figure.high - figure.value, figure.value - figure.low
    if abs(above - below) <= 0.1 * max(above, below):
        return f"{_short(figure.value)} ± {_short(above)}{unit}"
    to = {"en": "to", "zh": "至"}[language]
    return f"{_short(figure.value)} ({_short(figure.low)} {to} {_short(figure.high)}){unit}"


def _short(value: float) -> str:
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.3g}"
