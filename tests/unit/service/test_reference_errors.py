from __future__ import annotations

from pathlib import Path

import pytest

from service.core.errors import REASONS
from service.core.reasons.error_kind import ErrorKind
from service.reference.errors import page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "errors.md"


@pytest.mark.parametrize("reason", REASONS.values(), ids=lambda reason: reason.name)
def test_every_reason_has_one_row_below_its_code(reason: ErrorKind) -> None:
    sections = {text.split("\n", 1)[0]: text for text in page().split("\n## ")}
    assert [code for code, text in sections.items() if f"| `{reason.name}` |" in text] == [reason.code]


def test_facts_are_shown_by_name() -> None:
    assert "{" not in page()
    assert "version *version* of model *model* takes no new sequences: *cause*" in page()


def test_the_page_in_the_docs_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()
