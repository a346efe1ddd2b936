"""Owns what the models of writing are fed: paragraphs of the Universal Declaration of Human Rights, as numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data import load

# What nakdimon reads; a letter's number is its place, counted from 1.
_HEBREW = "HO5 !\"'(),-.:;?" + "".join(chr(code) for code in range(0x05D0, 0x05EB))


def paragraphs(language: str, count: int) -> list[str]:
    """Give the first `count` held-out paragraphs in a language ("ar", "he")."""
    declaration = load("languages")
    label = declaration.spec.labels.index(language)
    found = [index for index, each in enumerate(declaration.test.labels) if each == label][:count]
    return [bytes(declaration.test.sequences[index].astype(np.uint8)).decode() for index in found]


def numbers(text: str, letters: Path, *, key: str = "") -> NDArray[np.int64]:
    """Give the letters [T] of a text as the model's own table, in JSON, numbers them; unknown ones are left out."""
    read: dict[str, Any] = json.loads(letters.read_text(encoding="utf-8"))
    table = read[key] if key else read
    return np.array([table[letter] for letter in text if letter in table], np.int64)


def hebrew_numbers(text: str) -> NDArray[np.float32]:
    """Give the letters [T] of a text as nakdimon numbers them, which are floats there; "O" is any other sign."""
    return np.array([1 + _HEBREW.index(sign if sign in _HEBREW else "O") for sign in text], np.float32)
