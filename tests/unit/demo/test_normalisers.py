"""The headline: when the point counts as shown, who was in whose company, and how it is told."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console

from bench.figures import standalone
from demo.normalisers.conditions import ALONE, ASKED, CONDITIONS, PADDED_FRAMES
from demo.normalisers.plot import company
from demo.normalisers.table import legend, table
from demo.normalisers.variants import CURRENT, FEW, KINDS, LAYER, RUNNING, SHIFTED
from demo.normalisers.verdict import failures
from soloist import Prediction
from tests.unit.demo.conftest import condition, normaliser

_, RANDOM, LOUD, PADDED = CONDITIONS


def rows(changed: str = "", **changes: Any) -> list[Any]:
    return [normaliser(kind, **(changes if kind == changed else {})) for kind in KINDS]


def answer(batch_size: int, padded_frames: int, frame_count: int = 20) -> Prediction:
    return Prediction(
        outputs=np.zeros(2, np.float32),
        index=0,
        label="0",
        confidence=1.0,
        prediction_id="",
        model="m",
        version=1,
        frame_count=frame_count,
        batch_size=batch_size,
        padded_frames=padded_frames,
    )


def test_the_point_is_shown_when_only_the_control_changes() -> None:
    assert failures(rows()) == []


@pytest.mark.parametrize("kind", [LAYER, RUNNING, SHIFTED, FEW])
@pytest.mark.parametrize("changes", [{"bits_differ": 1}, {"class_differs": 1}])
def test_one_answer_that_company_changes_fails(kind: str, changes: dict[str, int]) -> None:
    (failure,) = failures(rows(kind, **changes))
    assert "in company" in failure


def test_a_control_that_changes_nothing_shows_nothing() -> None:
    (failure,) = failures(rows(CURRENT, bits_differ=0, class_differs=0))
    assert failure.startswith("not shown")


@pytest.mark.parametrize("name", ["alone", "random", "loud", "padded"])
def test_an_answer_without_its_company_shows_nothing(name: str) -> None:
    changed = [condition(each.name, missed=int(each.name == name)) for each in CONDITIONS]
    (failure,) = failures(rows(LAYER, conditions=changed))
    assert failure == f"not shown: vowels-tcn-layer, {name}: 1 of 370 answers had not that company"


def test_the_offline_figure_is_a_check() -> None:
    (failure,) = failures(rows(SHIFTED, correct_offline=361))
    assert "362 right alone, 361 offline" in failure
    (failure,) = failures(rows(SHIFTED, offline_sequences=371))
    assert "offline on 371 sequences, served 370" in failure


@pytest.mark.parametrize("kind", [LAYER, RUNNING, CURRENT])
def test_a_row_that_is_not_there_shows_nothing(kind: str) -> None:
    (failure,) = failures([row for row in rows() if row.kind != kind])
    assert failure == f"not shown: {kind} was not measured"


def test_company_is_told_by_what_the_server_says() -> None:
    assert ALONE.holds(answer(1, 20))
    assert not ALONE.holds(answer(2, 20))
    assert not ALONE.holds(answer(1, 21))
    for each in (RANDOM, LOUD):
        # As many as were asked for at once could be just those.
        assert [each.holds(answer(size, 29)) for size in (1, ASKED, ASKED + 1)] == [False, False, True]
    assert [PADDED.holds(answer(2, frames)) for frames in (20, PADDED_FRAMES - 1, PADDED_FRAMES)] == [
        False,
        False,
        True,
    ]


def test_neighbours_are_drawn_scaled_and_joined() -> None:
    sequences = [np.full((frames, 3), frames, np.float32) for frames in range(7, 30)]
    random, loud, padded = (each.neighbours(sequences, np.random.default_rng(5), 40) for each in (RANDOM, LOUD, PADDED))
    assert len(random) == len(loud) == len(padded) == 40
    assert ALONE.neighbours(sequences, np.random.default_rng(5), 40) == []
    for one, other in zip(random, loud, strict=True):
        assert np.array_equal(other, one * np.float32(10))
        assert other.dtype == np.float32
    assert all(len(frames) >= PADDED_FRAMES > 2 * 29 for frames in padded)


def test_the_table_says_it_in_a_row_a_model() -> None:
    console = Console(width=150)
    with console.capture() as captured:
        console.print(table(rows()))
    lines = [line for line in captured.get().splitlines() if "vowels-" in line]
    assert [line.split()[0] for line in lines] == [row.name for row in rows()]
    assert lines[2].split()[4:11] == ["97.84%"] * 5 + ["370", "290"]
    assert any("17 to 32" in line for line in legend(rows()))


def test_the_picture_tells_every_row_and_the_same_figures_draw_the_same() -> None:
    drawn = company(rows())
    assert all(title in drawn for title in KINDS.values())
    assert "370 / 290" in drawn
    assert drawn == company(rows())


def test_the_picture_claims_what_is_so() -> None:
    claim = "and no others"
    assert claim in company(rows())
    assert claim not in company(rows(LAYER, bits_differ=1))
    assert claim not in company(rows(CURRENT, bits_differ=0))


def test_the_picture_by_itself_is_a_file_that_can_be_read_anywhere() -> None:
    root = ElementTree.fromstring(standalone(company(rows())))  # noqa: S314  # our own
    assert root.tag.endswith("svg")
    assert root[0].attrib["fill"] == "#ffffff"
    assert "currentColor" not in standalone(company(rows()))
