from __future__ import annotations

import inspect
import re

import pytest

from claims.catalogue import CLAIMS
from claims.texts import LANGUAGES, Language, text

pytestmark = pytest.mark.parametrize("number", CLAIMS)
_REASON = re.compile(r'reason\s*=\s*"(\w+)"')


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_claim_has_all_its_words(number: int, language: Language) -> None:
    words = text(number, language)
    assert all((words.original, words.statement, words.tested, words.rule, words.literature, words.why))


def test_both_languages_know_the_same_reasons(number: int) -> None:
    assert text(number, "en").why.keys() == text(number, "zh").why.keys()


def test_sentences_have_the_same_figures_in_both_languages(number: int) -> None:
    english, chinese = text(number, "en").why, text(number, "zh").why
    for reason, sentence in english.items():
        assert sorted(re.findall(r"{(\w+)", sentence)) == sorted(re.findall(r"{(\w+)", chinese[reason])), reason


def test_reasons_that_a_rule_names_have_a_sentence(number: int) -> None:
    reasons = set(_REASON.findall(inspect.getsource(CLAIMS[number].judge)))
    assert reasons <= text(number, "en").why.keys()
