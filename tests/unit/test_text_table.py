"""Tables of text: columns, sides, rules and titles."""

from __future__ import annotations

import pytest

from soloist.text_table import text_table


def test_each_column_is_as_wide_as_its_widest_cell() -> None:
    rows = [("vowels-lstm", 1, "READY", ""), ("digits", 12, "UNLOADED", "not asked for")]
    assert text_table(("MODEL", "VERSION", "STATE", "REASON"), rows).split("\n") == [
        "MODEL        VERSION  STATE     REASON",
        "vowels-lstm  1        READY",
        "digits       12       UNLOADED  not asked for",
    ]


def test_columns_go_to_the_side_that_is_asked_for() -> None:
    assert text_table(("name", "count", "why"), [("a", 12345678, "x"), ("bcdef", 1, "y")], align="<>").split("\n") == [
        "name      count  why",
        "a      12345678  x",
        "bcdef         1  y",
    ]


def test_a_title_and_a_rule() -> None:
    text = text_table(("a", "b"), [("one", "two")], gap=3, rule=True, title="First line,\nsecond line")
    assert text.split("\n") == ["First line,", "second line", "a     b", "─────────", "one   two"]


def test_cells_of_several_lines() -> None:
    rows = [("first", "1\n22"), ("second", "3")]
    assert text_table(("which\none", "n"), rows, align="<>", rule=True).split("\n") == [
        "which    n",
        "one",
        "──────────",
        "first    1",
        "        22",
        "second   3",
    ]


def test_a_head_alone() -> None:
    assert text_table(("a", "b"), []) == "a  b"


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        text_table(("a", "b"), [("1", "2", "3")])
