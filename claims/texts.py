"""What people read of a claim, in English and Chinese: one file each in claims/texts."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from claims.verdict import Judgement

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
CONTROL_FAILED = "control"  # the reason where an experiment could not have come out otherwise
_CONTROL_FAILED: dict[Language, str] = {
    "en": "The control did not come out the other way, so the experiment shows nothing.",
    "zh": "对照没有得出相反的结果，因此该实验不能说明任何问题。",
}


@dataclass(frozen=True, kw_only=True)
class Text:
    """The words of a claim in one language.

    `original` is what the article says, in short and in Chinese whatever the language. `tested` says how, `rule` what
    makes which verdict, `literature` what others found, with source. `why` has a sentence for every reason that the
    rule may give; `labels` translates what stands in charts and beside figures.
    """

    number: int
    language: Language
    original: str
    statement: str
    tested: str
    rule: str
    literature: str
    why: Mapping[str, str]
    labels: Mapping[str, str]

    def label(self, name: str) -> str:
        """Return a name of a chart or a figure in this language."""
        return self.labels.get(name, name)

    def because(self, judgement: Judgement) -> str:
        """Return the sentence that says why, with the figures in it."""
        if judgement.reason == CONTROL_FAILED:
            return _CONTROL_FAILED[self.language]
        figures = {each.name: each.value for each in (judgement.key, judgement.control.figure, *judgement.figures)}
        return self.why[judgement.reason].format_map({**figures, **judgement.values})


@cache
def text(number: int, language: Language) -> Text:
    """Return the text of a claim. Raises KeyError for a part that is missing."""
    parts = _read(number)
    words: dict[str, Any] = parts[language]
    return Text(
        number=number,
        language=language,
        original=parts["original"],
        statement=words["statement"],
        tested=words["tested"],
        rule=words["rule"],
        literature=words["literature"],
        why=words["why"],
        labels=words.get("labels", {}),
    )


def _read(number: int) -> dict[str, Any]:
    return tomllib.loads(resources.files("claims").joinpath("texts", f"{number:02d}.toml").read_text("utf-8"))
