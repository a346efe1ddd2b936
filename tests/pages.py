"""The pages of the documentation, and what stands on them: links, anchors, code."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
INDEX = DOCS / "index.md"
PAGES = sorted(DOCS.glob("**/*.md"))
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
TOP = [*READMES, *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"))]

_BLOCK = re.compile(r"^```(\w*).*?\n(.*?)^```", re.DOTALL | re.MULTILINE)


def name(page: Path) -> str:
    """Return its path in the checkout, for the id of a test."""
    return str(page.relative_to(ROOT))


def links(page: Path) -> list[str]:
    """Return where it links to, without what looks like a link in code."""
    text = re.sub(r"`[^`\n]*`", "", _BLOCK.sub("", page.read_text()))
    return re.findall(r"!?\[[^\]]*\]\(<?([^)\s>]+)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)


def linked_pages(page: Path) -> set[Path]:
    """Return the pages it links to."""
    targets = {(page.parent / link.partition("#")[0]).resolve() for link in links(page) if ":" not in link}
    return {target for target in targets if target.suffix == ".md"}


def anchors(page: Path) -> set[str]:
    """Return the anchors of its headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", _BLOCK.sub("", page.read_text()), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def blocks(page: Path, *languages: str) -> list[str]:
    """Return its blocks of code in these languages; "" stands for blocks without one."""
    return [text for language, text in _BLOCK.findall(page.read_text()) if language in languages]


def quoted(page: Path) -> list[str]:
    """Return what it has in backticks within a line."""
    return re.findall(r"`([^`\n]+)`", _BLOCK.sub("", page.read_text()))
