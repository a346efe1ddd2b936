"""The report as one self-contained page, and its verdicts as a table in Markdown."""

from __future__ import annotations

from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape

from claims.judged import JudgedClaim
from claims.report.figures import plot
from claims.report.record import Record
from claims.table import VERDICTS, number
from claims.texts import Language, text
from claims.verdict import Verdict

_ORDER = (Verdict.SUPPORTED, Verdict.DEPENDS, Verdict.REFUTED, Verdict.NOT_SHOWN)


def page(record: Record, language: Language) -> str:
    """Render the report in one language, as HTML that needs nothing else."""
    style = resources.files("demo").joinpath("style.css").read_text()
    return _rendered(f"report.{language}.html.j2", record, language, style=style)


def verdicts(record: Record, language: Language) -> str:
    """Render the verdicts in one language, as Markdown: a row a claim."""
    return _rendered(f"verdicts.{language}.md.j2", record, language)


def _rendered(template: str, record: Record, language: Language, **more: str) -> str:
    environment = Environment(
        loader=FunctionLoader(_read),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    rows = [_row(each, language) for each in record.claims]
    names = [VERDICTS[language][verdict] for verdict in _ORDER]
    return environment.get_template(template).render(
        record=record,
        rows=rows,
        groups=[(name, [row for row in rows if row["verdict"] == name]) for name in names],
        **more,
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
        "key": (words.label(judgement.key.name), number(judgement.key, language)),
        "figures": [(words.label(each.name), number(each, language)) for each in figures],
        "control": (words.label(judgement.control.figure.name), number(judgement.control.figure, language)),
        "held": judgement.control.held,
        "plot": plot(judgement.chart, words) if judgement.chart else "",
    }


def _read(name: str) -> str:
    return resources.files("claims").joinpath("report", name).read_text("utf-8")
