"""Labels from files: what is read, and what is named as wrong."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import click
import pytest

from soloist import Label
from soloist.cli.label_file import read_labels

TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class _File(io.StringIO):
    name = "labels"


def _read(text: str) -> list[Label]:
    return list(read_labels(_File(text)))


@pytest.mark.parametrize(
    "text",
    [
        "prediction_id,label,step,event_time\np,one,7,2026-01-02T03:04:05+00:00\n",
        "\n\nnote, event_time, step, label, prediction_id\nx, 1767323045, 7, one, p\n\n",
        '{"prediction_id": "p", "label": "one", "step": 7, "event_time": "2026-01-02T03:04:05Z"}\n\n',
        '\n{"prediction_id": "p", "label": "one", "step": "7", "event_time": 1767323045, "note": {}}',
    ],
)
def test_one_label_in_every_form(text: str) -> None:
    assert _read(text) == [Label(prediction_id="p", label="one", step=7, event_time=TIME)]


def test_a_class_by_its_index() -> None:
    expected = [Label(prediction_id="p", label=3)]
    assert _read("prediction_id,class_index\np,3\n") == expected
    assert _read('{"prediction_id": "p", "class_index": 3}') == expected
    assert _read('{"prediction_id": "p", "label": 3}') == expected
    # In CSV a label is a name, whatever it looks like: classes of digits have such names.
    assert _read("prediction_id,label\np,3\n") == [Label(prediction_id="p", label="3")]


@pytest.mark.parametrize("name", [" ", " one ", "a\u2028b", "\u3000", "{", "\t"])
def test_a_name_is_kept_byte_for_byte(name: str) -> None:
    expected = [Label(prediction_id="p", label=name)]
    assert _read(f'prediction_id,label\np,"{name}"\n') == expected
    assert _read(json.dumps({"prediction_id": "p", "label": name}, ensure_ascii=False)) == expected


def test_no_labels() -> None:
    assert _read("prediction_id,label\n") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "first line"),
        ("id,label\np,one\n", "first line"),
        ("prediction_id,step\np,1\n", "first line"),
        ("prediction_id,label\np,one,2\n", "label 1 has more cells"),
        ("prediction_id,label\np,one\n,two\n", "label 2 of labels: there is no prediction_id"),
        ("prediction_id,label\np,\n", "either a label or a class_index"),
        ("prediction_id,label,class_index\np,one,1\n", "either a label or a class_index"),
        ("prediction_id,label,label\np,one,two\n", "names a column twice"),
        ("prediction_id,class_index\np,1_0\n", "no whole number"),
        ("prediction_id,class_index\np,1.0\n", "no whole number"),
        ("prediction_id,class_index\np,NA\n", "no whole number"),
        ('{"prediction_id": "p", "class_index": NaN}', "no whole number"),
        ("prediction_id,label,step\np,one,first\n", "label 1 of labels"),
        ("prediction_id,label,event_time\np,one,yesterday\n", "yesterday"),
        ('{"prediction_id": "p", "label": "one"}\n{no json\n', "label 2 is not JSON"),
        ('{"prediction_id": "p", "label": 1.5}', "no whole number"),
        ('{"prediction_id": "p", "label": true}', "no whole number"),
        ("prediction_id,class_index\np,3000000000\n", "out of range"),
        ("prediction_id,class_index,step\np,1,99999999999999999999\n", "out of range"),
        ("prediction_id,label,event_time\np,one,0001-01-01T00:00+12:00\n", "label 1 of labels: "),
        ("prediction_id,label,event_time\np,one,9999-12-31T23:59:59-12:00\n", "label 1 of labels: "),
        ('{"prediction_id": "\\ud800", "label": "one"}', "label 1 of labels: "),
        ('{"prediction_id": "p", "label": "\\ud800"}', "label 1 of labels: "),
        ('{"prediction_id": "p", "label": "one"}\n[1]', "label 2 of labels: there is no prediction_id"),
    ],
)
def test_a_line_that_tells_no_label_is_named(text: str, said: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        _read(text)
    assert said in caught.value.message
