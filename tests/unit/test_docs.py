"""Every page of docs/ is found from its index, and no relative link is dead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("**/*.md"))
TOP = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")]
SOURCES = sorted((ROOT / "data").glob("**/*.md"))


def links(page: Path) -> list[str]:
    """Tell where it links to, but not what stands in code."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"`[^`\n]*`", "", text)
    return re.findall(r"!?\[[^\]]*\]\(<?([^)\s>]+)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_is_in_the_index_once() -> None:
    index = ROOT / "docs" / "index.md"
    listed = [(index.parent / link).resolve() for link in links(index)]
    inside = [page for page in listed if page.is_relative_to(index.parent)]
    assert sorted(inside) == [page for page in PAGES if page != index]


def test_the_index_is_found() -> None:
    assert "docs/index.md" in links(ROOT / "README.md")


@pytest.mark.parametrize("page", [*TOP, *PAGES, *SOURCES], ids=lambda page: str(page.relative_to(ROOT)))
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
