"""Rows of models made elsewhere may share a run where their axes allow it, and each gets what it would get alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.engine.beside import WHOLE, Beside, Position
from service.engine.row import Row, RowResult
from service.engine.servable import LoadPolicy, Servable, load_servable
from tests.guests import BATCH_SECOND, BYTES, FURTHER, GUESTS, LOOPED, NO_BATCH, SHARED, TOLD, WINDOW, Guest


@pytest.mark.parametrize("guest", [BATCH_SECOND, LOOPED, BYTES], ids=lambda guest: guest.name)
def test_rows_of_one_length(tmp_path: Path, guest: Guest) -> None:
    runner = _load(guest, tmp_path).runner
    rng = np.random.default_rng(1)
    rows = [Row(frames=guest.frames(rng, 6), states=runner.initial_states()) for _ in range(3)]
    behind = [result.states for row in rows for result in runner.run([row])]
    rows += [Row(frames=row.frames, states=states) for row, states in zip(rows, behind, strict=True)]
    _assert_same(runner.run(rows), [result for row in rows for result in runner.run([row])])


def test_rows_that_bring_inputs_and_stand_at_different_places(tmp_path: Path) -> None:
    servable = _load(SHARED, tmp_path)
    assert servable.batched
    rng = np.random.default_rng(2)
    positions = (WHOLE, Position(starts=False, ends=False), WHOLE)
    rows = [
        Row(
            frames=SHARED.frames(rng, length),
            states={},
            beside=Beside(
                inputs={"gain": np.array([length], np.float32)},
                frame_inputs={"mask": rng.random(length).astype(np.float32)},
                position=position,
            ),
        )
        for length, position in zip((5, 3, 1), positions, strict=True)
    ]
    together = servable.runner.run(rows)
    _assert_same(together, [result for row in rows for result in servable.runner.run([row])])
    masks = [row.beside.frame_inputs["mask"] for row in rows]
    expected = rows[1].frames * masks[1][:, None] * np.float32(3)
    assert together[1].outputs.tobytes() == expected.astype(np.float32).tobytes()


def test_none_share_a_run_without_leave(tmp_path: Path) -> None:
    assert not _load(SHARED, tmp_path, allowed=False).batched


@pytest.mark.parametrize("guest", [NO_BATCH, WINDOW, FURTHER, TOLD], ids=lambda guest: guest.name)
def test_what_has_no_place_for_others_runs_alone(tmp_path: Path, guest: Guest) -> None:
    assert not _load(guest, tmp_path).runner.graph.takes_batches


def test_only_a_frame_a_run_may_be_cut(tmp_path: Path) -> None:
    sliced = {guest.name for guest in GUESTS if _load(guest, tmp_path).sliced}
    assert sliced == {guest.name for guest in GUESTS if guest.steps}


def _load(guest: Guest, folder: Path, *, allowed: bool = True) -> Servable:
    policy = LoadPolicy(batch_uncertified=allowed, certify_seconds=0)
    return load_servable(guest.write(folder), policy, name=guest.name, version=1)


def _assert_same(found: list[RowResult], expected: list[RowResult]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert _bits(one) == _bits(other)


def _bits(result: RowResult) -> list[Any]:
    arrays = {"": result.outputs, **result.states, **result.more}
    return [(name, array.shape, array.tobytes()) for name, array in arrays.items()]
