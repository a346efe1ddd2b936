"""report.json keeps its schema; report.html needs nothing but itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import pytest
from rich.console import Console

from demo.report_page import page
from demo.result import Report
from demo.table import table

MakeReport = Callable[..., Report]
SCHEMA = resources.files("demo").joinpath("report.schema.json")


@pytest.fixture(scope="module")
def usual_page(make_report: MakeReport) -> str:
    return page(make_report())


class References(HTMLParser):
    """Everything a browser would fetch or follow."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = {"src", "href", "xlink:href", "data", "srcset", "action"}
        self.found += [value or "" for name, value in attrs if name in names]


def test_the_page_refers_to_nothing_outside(usual_page: str) -> None:
    references = References()
    references.feed(usual_page)
    assert [where for where in references.found if not where.startswith("#")] == []
    assert not {"script", "link", "img", "iframe"} & set(references.tags)
    assert "@import" not in usual_page
    assert re.findall(r"url\((?!#)", usual_page) == []


def test_the_page_holds_its_figures_in_its_own_text_colour(usual_page: str) -> None:
    assert usual_page.count("<svg") == 3
    assert "currentColor" in usual_page
    assert "<?xml" not in usual_page


def test_the_headline_comes_first(usual_page: str) -> None:
    text = usual_page
    assert text.index("answers of 370 that company changes") < text.index("frames seen")
    assert text.index("Whose answer depends on its neighbours?") < text.index("<h2>Results</h2>")


def test_the_page_names_every_model_and_escapes_what_it_is_given(make_report: MakeReport, usual_page: str) -> None:
    assert all(usual_page.count(model.name) >= 3 for model in make_report().models)
    assert "Some &lt;CPU&gt; &amp; more" in usual_page


def test_the_page_says_that_it_passed_or_why_not(make_report: MakeReport, usual_page: str) -> None:
    assert "Passed." in usual_page
    failed = page(make_report(correct_whole=1))
    assert "Passed." not in failed
    assert "1 of 370 right when served whole" in failed


def test_the_page_does_not_claim_equal_bits_when_some_differ(make_report: MakeReport, usual_page: str) -> None:
    claim = "No bit of any output differs"
    assert claim in usual_page
    assert claim not in page(make_report(bits_differ=1))


def test_the_same_figures_give_the_same_page(make_report: MakeReport, usual_page: str) -> None:
    assert page(make_report()) == usual_page


def test_the_json_keeps_its_schema(make_report: MakeReport, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(make_report().as_json()))
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(SCHEMA), str(path)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_json_holds_accuracy_and_latency_of_each_model(make_report: MakeReport) -> None:
    reported = make_report(correct_streamed=185).as_json()
    first = reported["models"][0]
    assert (first["accuracy_whole"], first["accuracy_streamed"]) == (362 / 370, 0.5)
    assert (round(first["p50_ms"]), round(first["p99_ms"])) == (5, 10)
    assert reported["passed"] is False
    assert len(reported["failures"]) == 1


def test_the_table_has_a_row_a_model(make_report: MakeReport) -> None:
    report = make_report()
    console = Console(width=100)
    with console.capture() as captured:
        console.print(table(report))
    rows = [line for line in captured.get().splitlines() if "vowels-" in line]
    assert [row.split()[0] for row in rows] == [model.name for model in report.models]
    assert rows[0].split()[2:6] == ["97.84%", "97.84%", "97.84%", "0"]
