"""Rows of third-party models may share a run where their axes allow it, and each gets what it would get alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.core.errors import Reason, ServiceError
from service.engine.row import WHOLE, AuxiliaryInputs, Position, Row, RowResult
from service.loading.servable import LoadPolicy, Servable, load_servable
from service.serving.batcher.runs import execute
from tests.third_party import (
    AUXILIARY,
    BATCH_SECOND,
    BEGUN,
    BLOCKS,
    BYTES,
    CONTROLS,
    LOOKED_UP,
    LOOPED,
    NO_BATCH,
    RESHAPED,
    SHARED,
    STEADY_WINDOW,
    THIRD_PARTY_MODELS,
    WINDOW,
    ThirdPartyModel,
)
from tests.unit.service.awaited_executor import turns
from tests.unit.service.batcher_bench import Bench
from tests.unit.service.conftest import Meter


@pytest.mark.parametrize("model", [BATCH_SECOND, LOOPED, BYTES], ids=lambda model: model.name)
def test_rows_of_one_length(tmp_path: Path, model: ThirdPartyModel) -> None:
    runner = _load(model, tmp_path).runner
    rng = np.random.default_rng(1)
    rows = [Row(frames=model.frames(rng, 6), states=runner.initial_states()) for _ in range(3)]
    behind = [result.states for row in rows for result in runner.run_rows([row])]
    rows += [Row(frames=row.frames, states=states) for row, states in zip(rows, behind, strict=True)]
    _assert_same(runner.run_rows(rows), [result for row in rows for result in runner.run_rows([row])])


def test_rows_that_bring_inputs_and_stand_at_different_places(tmp_path: Path) -> None:
    servable = _load(SHARED, tmp_path)
    assert servable.batched
    rng = np.random.default_rng(2)
    positions = (WHOLE, Position(starts=False, ends=False), WHOLE)
    rows = [
        Row(
            frames=SHARED.frames(rng, length),
            states={},
            auxiliary=AuxiliaryInputs(
                inputs={"gain": np.array([length], np.float32)},
                frame_inputs={"mask": rng.random(length).astype(np.float32)},
                position=position,
            ),
        )
        for length, position in zip((5, 3, 1), positions, strict=True)
    ]
    together = servable.runner.run_rows(rows)
    _assert_same(together, [result for row in rows for result in servable.runner.run_rows([row])])
    masks = [row.auxiliary.frame_inputs["mask"] for row in rows]
    expected = rows[1].frames * masks[1][:, None] * np.float32(3)
    assert together[1].outputs.tobytes() == expected.astype(np.float32).tobytes()


@pytest.mark.parametrize("model", [STEADY_WINDOW, BEGUN, LOOKED_UP], ids=lambda model: model.name)
def test_rows_of_a_frame_a_run_leave_as_they_end(tmp_path: Path, model: ThirdPartyModel) -> None:
    servable = _load(model, tmp_path)
    assert servable.batched
    rng, runner = np.random.default_rng(3), servable.runner
    sequences = [model.frames(rng, length) for length in (5, 1, 9, 5, 2)]
    rows = [Row(frames=frames, states=runner.initial_states()) for frames in sequences]
    together = runner.run_rows(rows)
    _assert_same(together, [result for row in rows for result in runner.run_rows([row])])
    (output,) = model.outputs
    for frames, result in zip(sequences, together, strict=True):
        assert result.outputs.tobytes() == model.alone(frames)[output].tobytes()
    further = [Row(frames=row.frames[::-1], states=each.states) for row, each in zip(rows, together, strict=True)]
    _assert_same(runner.run_rows(further), [result for row in further for result in runner.run_rows([row])])


def test_runs_of_several_frames_stay_whole(tmp_path: Path) -> None:
    servable = _load(BLOCKS, tmp_path)
    assert not servable.batched  # it gives one output a run, not a frame
    assert [servable.slice_frames(most) for most in (1, 4, 7, 256, 258)] == [4, 4, 4, 256, 256]
    assert servable.padding_ratio([4, 8]) == 0


async def test_slices_of_many_share_runs_and_nothing_else(meter: Meter, tmp_path: Path) -> None:
    target, rng, bench = _load(STEADY_WINDOW, tmp_path), np.random.default_rng(4), Bench(meter)
    rows = [
        Row(frames=STEADY_WINDOW.frames(rng, length), states=target.runner.initial_states())
        for length in (1, 9, 2, 9, 3, 1)
    ]
    asked = [asyncio.ensure_future(bench.batcher.submit(target, row, every_frame=True, deadline=None)) for row in rows]
    await turns()
    await bench.executor.finish_all()
    answers = await asyncio.gather(*asked)
    assert min(answer.batch_size for answer in answers) > 1
    for row, answer in zip(rows, answers, strict=True):
        (alone,) = target.runner.run_rows([row])
        assert answer.outputs.tobytes() == alone.outputs.tobytes()
        assert answer.states["state"].tobytes() == alone.states["state"].tobytes()
    assert meter.value("soloist_padding_ratio_sum", model="steady-window", version="1") == 0


def test_only_a_row_at_fault_is_refused(tmp_path: Path) -> None:
    servable = _load(LOOKED_UP, tmp_path)
    states = servable.runner.initial_states()
    rows = [Row(frames=np.array(tokens), states=states) for tokens in ([0, 1, 2], [2, 7], [1])]
    first, poisoned, last = execute(servable, rows)
    assert isinstance(poisoned.error, ServiceError)
    assert (poisoned.error.reason, poisoned.error.facts["shape"]) == (Reason.GRAPH_REFUSED, [2])
    _assert_same(
        [*first.results, *last.results], [result for row in rows[::2] for result in servable.runner.run_rows([row])]
    )


def test_none_share_a_run_without_leave(tmp_path: Path) -> None:
    assert not any(_load(model, tmp_path, allowed=False).batched for model in (SHARED, WINDOW))


@pytest.mark.parametrize("model", [NO_BATCH, RESHAPED, AUXILIARY, CONTROLS], ids=lambda model: model.name)
def test_what_has_no_place_for_others_runs_alone(tmp_path: Path, model: ThirdPartyModel) -> None:
    assert not _load(model, tmp_path).require_time_axis().graph.takes_batches


def test_only_what_takes_so_many_frames_a_run_may_be_cut(tmp_path: Path) -> None:
    sliced = {model.name for model in THIRD_PARTY_MODELS if _load(model, tmp_path).sliced}
    assert sliced == {BLOCKS.name, *(model.name for model in THIRD_PARTY_MODELS if model.steps)}


def _load(model: ThirdPartyModel, folder: Path, *, allowed: bool = True) -> Servable:
    policy = LoadPolicy(batch_uncertified=allowed, certify_seconds=0)
    return load_servable(model.write(folder), policy, name=model.name, version=1)


def _assert_same(found: list[RowResult], expected: list[RowResult]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert _bits(one) == _bits(other)


def _bits(result: RowResult) -> list[Any]:
    arrays = {"": result.outputs, **result.states, **result.extra}
    return [(name, array.shape, array.tobytes()) for name, array in arrays.items()]
