"""The run that is kept under docs/claims: its verdicts follow from its figures, and every page says the same."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

from claims.catalogue import CLAIMS
from claims.report.page import page, verdicts
from claims.report.record import Record, read
from claims.texts import LANGUAGES, Language, text
from soloist.json_text import json_text

ROOT = Path(__file__).parents[3]
KEPT = ROOT / "docs" / "claims"
READMES: dict[Language, str] = {"en": "README.md", "zh": "README.zh-CN.md"}
_SEEDS = 5


@cache
def kept() -> Record:
    return read(KEPT / "claims.json")


def of(language: Language, name: str, ending: str) -> str:
    return (KEPT / (f"{name}.{ending}" if language == "en" else f"{name}.{language}.{ending}")).read_text()


def test_it_is_in_full() -> None:
    assert [claim.number for claim in kept().claims] == sorted(CLAIMS)
    assert not kept().quick
    assert len(kept().seeds) >= _SEEDS
    assert all(len(claim.measured) == len(kept().seeds) for claim in kept().claims)


def test_verdicts_follow_from_the_figures() -> None:
    written = json.loads((KEPT / "claims.json").read_text())
    again = json.loads(json_text(kept().as_json()))
    for before, after in zip(written["claims"], again["claims"], strict=True):
        assert after == before, f"claim {before['number']}: soloist claims --figures docs/claims/claims.json"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pages_are_of_this_run(language: Language) -> None:
    assert of(language, "verdicts", "md") == verdicts(kept(), language)
    assert _without_plots(of(language, "report", "html")) == _without_plots(page(kept(), language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_readme_says_the_same(language: Language) -> None:
    summary = [line for line in of(language, "verdicts", "md").splitlines() if line.count("|") == 4]
    assert len(summary) == 2 + 4  # head, rule and a line a verdict
    assert set(summary) <= set((ROOT / READMES[language]).read_text().splitlines())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_figure_has_a_name_in_words(language: Language) -> None:
    for claim in kept().claims:
        judgement = claim.judgement
        names = [each.name for each in (judgement.key, judgement.control.figure, *judgement.figures)]
        labels = [text(claim.number, language).label(name) for name in names]
        assert not [label for label in labels if re.search(r"\w_\w", label)], claim.number


def test_the_page_for_those_who_choose_has_the_figures_of_the_verdicts() -> None:
    written = set(re.findall(r"(\d+(?:\.\d+)?) ?(?:%|×|points|deviations)", (KEPT / "choosing.md").read_text()))
    assert written <= set(re.findall(r"\d+(?:\.\d+)?", of("en", "verdicts", "md")))


def test_it_names_claims_that_are_measured() -> None:
    named = {int(number) for number in re.findall(r"\[(\d+)\]", (KEPT / "choosing.md").read_text())}
    assert named <= {claim.number for claim in kept().claims}


def _without_plots(html: str) -> str:
    """Leave out the plots, whose drawing belongs to a version of a library."""
    return re.sub(r"<svg.*?</svg>", "", html, flags=re.DOTALL)
