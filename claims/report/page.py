"""The report as one self-contained page."""

from __future__ import annotations

from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from claims.judged import JudgedClaim
from claims.report.figures import plot
from claims.report.record import Record
from claims.table import VERDICTS, number
from claims.texts import Language, text
from claims.verdict import Verdict

_ORDER = (Verdict.SUPPORTED, Verdict.DEPENDS, Verdict.REFUTED, Verdict.NOT_SHOWN)


def page(record: Record, language: Language) -> str:
    """Render the report in one language."""
    environment = Environment(
        loader=FunctionLoader(_read), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    counts = {verdict: sum(each.judgement.verdict is verdict for each in record.claims) for verdict in _ORDER}
    return environment.get_template(f"report.{language}.html.j2").render(
        record=record,
        rows=[_row(each, language) for each in record.claims],
        counts=[(VERDICTS[language][verdict], count) for verdict, count in counts.items()],
        style=resources.files("demo").joinpath("style.css").read_text(),
    )


def _row(claim: JudgedClaim, language: Language) -> dict[str, Any]:
    words, judgement = text(claim.number, language), claim.judgement
    figures = [judgement.key, *judgement.figures]
    return {
        "number": claim.number,
        "words": words,
        "verdict": VERDICTS[language][judgement.verdict],
        "kind": judgement.verdict.name.lower(),
        "why": words.because(judgement),
        "key": (words.label(judgement.key.name), number(judgement.key)),
        "figures": [(words.label(each.name), number(each)) for each in figures],
        "control": (words.label(judgement.control.figure.name), number(judgement.control.figure)),
        "held": judgement.control.held,
        "plot": plot(judgement.chart, words) if judgement.chart else "",
    }


def _read(name: str) -> str:
    return resources.files("claims").joinpath("report", name).read_text("utf-8")
