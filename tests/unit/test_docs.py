"""Readers find every page, no link is dead, and tables that list all of something do."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from service.core.errors import REASONS
from service.core.failures import Worker
from service.transport.http.statuses import HTTP_STATUSES
from soloist.cli.main import main
from soloist.oip import grpc_service_pb2
from soloist.v1 import admin_pb2, feedback_pb2, norm_skew_pb2, sequence_inference_pb2
from tests.pages import DOCS, INDEX, PAGES, READMES, ROOT, TOP, anchors, linked_pages, links, name, quoted

SOURCES = sorted((ROOT / "data").glob("**/*.md"))
APIS = (admin_pb2, feedback_pb2, norm_skew_pb2, sequence_inference_pb2)
_OTHER_METHODS = ("SharedMemory", "Setting")  # of the Open Inference Protocol; none of them is served


@pytest.mark.parametrize("page", [*TOP, *PAGES, *SOURCES], ids=name)
def test_no_link_is_dead(page: Path) -> None:
    assert [link for link in links(page) if _dead(page, link)] == []


def _dead(page: Path, link: str) -> bool:
    if re.match(r"[a-z]+:", link):
        return False
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in anchors(target)


def test_every_page_is_one_click_from_the_index() -> None:
    assert sorted({*PAGES, *TOP} - linked_pages(INDEX) - {INDEX}) == []


def test_ten_usual_tasks_lead_to_a_page_each() -> None:
    section = INDEX.read_text().partition("## Ten usual tasks")[2].partition("\n## ")[0]
    tasks = [line for line in section.splitlines() if line.startswith("| ") and "](" in line]
    assert len(tasks) == 10


@pytest.mark.parametrize("readme", READMES, ids=name)
def test_a_readme_leads_to_the_index_and_to_the_other_language(readme: Path) -> None:
    assert linked_pages(readme) >= {INDEX, *READMES} - {readme}


def test_both_readmes_have_the_same_commands_numbers_and_links() -> None:
    english, chinese = READMES
    assert set(quoted(english)) == set(quoted(chinese))
    assert sorted(_numbers(english)) == sorted(_numbers(chinese))
    assert set(links(english)) - {chinese.name} == set(links(chinese)) - {english.name}


def _numbers(page: Path) -> list[str]:
    return re.findall(r"\d[\d,.]*\d|\d", page.read_text())


def test_the_page_of_rest_has_every_status() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\d+) \|$", (DOCS / "rest.md").read_text(), flags=re.MULTILINE)
    assert {code: int(status) for code, status in rows} == HTTP_STATUSES
    assert {reason.code for reason in REASONS.values()} == set(HTTP_STATUSES)


def test_the_command_line_page_has_every_command() -> None:
    listed = {text for text in quoted(DOCS / "cli.md") if text.startswith("soloist ")}
    commands = _commands(main, "soloist")
    assert len(commands) > 20
    missing = [words for words in commands if not any(_begins(text, words) for text in listed)]
    assert missing == []


def _commands(command: click.Command, words: str) -> list[str]:
    if not isinstance(command, click.Group):
        return [words]
    context = click.Context(command)
    children = {name: command.get_command(context, name) for name in command.list_commands(context)}
    return [path for name, child in children.items() if child for path in _commands(child, f"{words} {name}")]


def _begins(text: str, words: str) -> bool:
    return f"{text} ".startswith(f"{words} ")


def test_the_api_page_has_every_method() -> None:
    services = [service for api in APIS for service in api.DESCRIPTOR.services_by_name.values()]
    services += grpc_service_pb2.DESCRIPTOR.services_by_name.values()
    methods = {method.name for service in services for method in service.methods}
    served = {method for method in methods if not any(other in method for other in _OTHER_METHODS)}
    assert served - set(quoted(DOCS / "api.md")) == set()


def test_the_page_for_operators_has_every_background_worker() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \| [^|]+ \| [^|]+ \|$", (DOCS / "operating.md").read_text(), flags=re.MULTILINE)
    assert set(Worker) - {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == set()


def test_the_alerts_page_has_every_alert() -> None:
    rules = "".join(file.read_text() for file in (ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
    alerts = re.findall(r"^ +- alert: (\w+)$", rules, flags=re.MULTILINE)
    rows = re.findall(r"^\| `(\w+)`", (DOCS / "alerts.md").read_text(), flags=re.MULTILINE)
    assert sorted(rows) == sorted(alerts)
