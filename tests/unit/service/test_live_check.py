"""The live check: what is checked, what is found, and that nothing waits for it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from service.engine.runner import Row
from service.loading.servable import LoadPolicy, Servable, load_servable
from service.observers.live_check.metrics import CheckOutcome
from service.observers.live_check.repro_bundle import read
from service.observers.live_check.run_trace import RunShape
from service.serving.batcher import Answer, Batcher, BatchLimits
from tests.graphs import Sums
from tests.servables import GatedRunner, servable
from tests.third_party import STEADY_WINDOW
from tests.unit.service.awaited_executor import AwaitedExecutor, turns
from tests.unit.service.batcher_bench import SLICE
from tests.unit.service.conftest import Meter
from tests.unit.service.leaky import (
    NAME,
    ForgetfulRunner,
    LeakyRunner,
    LonelyRunner,
    StatelessRunner,
    Watched,
    watched,
)


@pytest.fixture
def every(meter: Meter) -> Iterator[Watched]:
    with watched(meter) as check:
        yield check


async def answered(check: Watched, target: Servable, *frames: Any) -> list[Answer]:
    """Ask for all at once; a number stands for so many frames of ones."""
    check.loaded.append(target)
    executor = AwaitedExecutor()
    limits = BatchLimits(workers=1, max_batch_size=8, max_batch_frames=1000, max_slice_frames=SLICE, max_queued=50)
    batcher = Batcher(executor, limits, observe_runs=check.check.observe)
    states = target.runner.initial_states()
    rows = [np.ones((each, 1), np.float32) if isinstance(each, int) else each for each in frames]
    tasks = [
        asyncio.ensure_future(
            batcher.submit(target, Row(frames=each, states=states), every_frame=bool(index % 2), deadline=None)
        )
        for index, each in enumerate(rows)
    ]
    await turns()
    await executor.finish_all()
    return await asyncio.gather(*tasks)


def both(runner: GatedRunner, **changes: Any) -> Servable:
    return servable(runner, **{"batched": True, "sliced": True, **changes})


async def test_answers_of_a_shared_run_are_checked(every: Watched) -> None:
    await answered(every, both(GatedRunner()), 2, 3, 4)
    assert every.counts() == {"equal": 3}


async def test_an_answer_that_was_alone_and_whole_is_not_checked(every: Watched) -> None:
    runner = GatedRunner()
    await answered(every, both(runner), 3)
    assert every.counts() == {}
    assert runner.runs == [[3]]


async def test_a_sliced_answer_is_checked_against_the_whole(every: Watched) -> None:
    runner = GatedRunner()
    await answered(every, both(runner), 2 * SLICE + 1)
    assert every.counts() == {"equal": 1}
    assert runner.runs == [[SLICE], [SLICE], [1], [2 * SLICE + 1]]


async def test_a_check_takes_no_larger_runs_than_it_may(meter: Meter) -> None:
    runner = GatedRunner()
    with watched(meter, piece_frames=6) as check:
        await answered(check, both(runner), 2 * SLICE + 1)
        assert check.counts() == {"equal": 1}
    assert runner.runs[3:] == [[6], [3]]


async def test_a_model_that_may_not_be_cut_is_run_whole(meter: Meter) -> None:
    runner = GatedRunner()
    with watched(meter, piece_frames=2) as check:
        await answered(check, both(runner, sliced=False), 5, 5)
        assert check.counts() == {"equal": 2}
    assert runner.runs == [[5, 5], [5], [5]]


async def test_answers_that_depend_on_their_neighbours_differ(every: Watched) -> None:
    await answered(every, both(LeakyRunner()), 2, 3, 4)
    assert every.counts() == {"different": 3}


async def test_answers_that_depend_on_the_cut_differ(every: Watched) -> None:
    await answered(every, both(ForgetfulRunner()), SLICE + 1)
    assert every.counts() == {"different": 1}


async def test_what_is_constant_hides_no_model_from_the_check(every: Watched, tmp_path: Path) -> None:
    policy = LoadPolicy(batch_uncertified=True, certify_seconds=0)
    target = load_servable(STEADY_WINDOW.write(tmp_path), policy, name=STEADY_WINDOW.name, version=1)
    rng = np.random.default_rng(0)
    await answered(every, target, *(STEADY_WINDOW.frames(rng, length) for length in (1, 2, SLICE + 1)))
    assert every.counts(STEADY_WINDOW.name) == {"equal": 3}


async def test_a_model_without_states_is_checked(every: Watched) -> None:
    await answered(every, both(StatelessRunner(), sliced=False), 2, 3)
    assert every.counts() == {"equal": 2}


async def test_nan_of_equal_bits_is_equal(every: Watched) -> None:
    await answered(every, both(GatedRunner()), np.array([[1.0], [np.nan]], np.float32), 2)
    assert every.counts() == {"equal": 2}


async def test_only_the_chosen_share_is_checked(meter: Meter) -> None:
    with watched(meter, draws=[0.2, 0.3, 0.1, 0.9], ratio=0.25) as check:
        await answered(check, both(GatedRunner()), 1, 1, 1, 1)
        assert check.counts() == {"equal": 2}


async def test_what_can_share_nothing_is_not_followed(meter: Meter) -> None:
    with watched(meter) as check:
        target = servable(GatedRunner())
        assert check.check.observe(target, Row(frames=np.ones((1, 1), np.float32), states={})) is None


async def test_nothing_waits_for_a_check_and_what_finds_no_room_is_dropped(meter: Meter) -> None:
    runner = LonelyRunner()
    target = both(runner)
    with watched(meter, max_queued=2) as check:
        await answered(check, target, 1, 1)
        assert runner.alone_began.acquire(timeout=30)  # one is being checked, one waits: room for one more
        answers = await answered(check, target, 1, 1, 1, 1)
        assert len(answers) == 4
        assert check.counts_now() == {"dropped": 3}
        runner.alone_gate.set()
        assert check.counts() == {"dropped": 3, "equal": 3}


async def test_what_is_too_large_to_be_kept_is_dropped(meter: Meter) -> None:
    with watched(meter, max_check_bytes=100) as check:
        await answered(check, both(GatedRunner(), sliced=False), 1, 100)
        assert check.counts() == {"equal": 1, "dropped": 1}


async def test_to_stop_waits_for_no_check(meter: Meter) -> None:
    runner = LonelyRunner()
    with watched(meter) as check:
        await answered(check, both(runner), 1, 1, 1)
        assert runner.alone_began.acquire(timeout=30)
    assert check.counts_now() == {"dropped": 2}
    await answered(check, both(LonelyRunner()), 1, 1)
    assert check.counts_now() == {"dropped": 4}
    runner.alone_gate.set()


async def test_a_version_that_is_gone_is_not_kept_for_its_checks(meter: Meter) -> None:
    held, gone = LonelyRunner(), GatedRunner()
    with watched(meter) as check:
        await answered(check, both(held), 1, 1)
        assert held.alone_began.acquire(timeout=30)
        await answered(check, both(gone, name="gone"), 1, 1)
        check.loaded.clear()
        gc.collect()
        held.alone_gate.set()
        assert check.counts("gone") == {"dropped": 2}


async def test_a_check_that_fails_is_counted_and_the_next_is_made(meter: Meter) -> None:
    runner = LonelyRunner()
    runner.alone_gate.set()
    runner.alone_fails = True
    with watched(meter) as check, capture_logs() as logs:
        await answered(check, both(runner), 1, 1)
        assert check.counts() == {"failed": 2}
        runner.alone_fails = False
        await answered(check, both(runner), 1, 1)
        assert check.counts() == {"failed": 2, "equal": 2}
    assert [line["event"] for line in logs] == ["live check failed"] * 2


async def test_a_difference_is_one_line_of_the_log_and_a_repro_bundle(meter: Meter, tmp_path: Path) -> None:
    secret = np.full((3, 1), 123.0, np.float32)
    with watched(meter, bundles=tmp_path / "repro bundles", draws=[0.0, 1.0]) as check, capture_logs() as logs:
        answer, _ = await answered(check, both(LeakyRunner()), 2, secret)
        assert check.counts() == {"different": 1}
    (line,) = logs
    (path,) = (tmp_path / "repro bundles").iterdir()
    assert (line["log_level"], line["model"], line["tensor"], line["batch_sizes"]) == ("error", "gated", "outputs", [2])
    assert line["bundle"] == str(path)
    bundle = read(path)
    assert bundle.header.runs == [RunShape(lengths=(2, 3), row=0)]
    assert (bundle.header.model, bundle.header.version, bundle.header.states) == ("gated", 1, ["sum"])
    assert bundle.row.frames.tolist() == [[1.0], [1.0]]
    assert bundle.row.states["sum"].tolist() == [[0.0]]
    assert bundle.alone.outputs.tolist() == [[1.0], [2.0]]
    assert bundle.given.outputs[-1:].tobytes() == answer.outputs.tobytes()
    assert secret.tobytes() not in path.read_bytes()


async def test_without_a_folder_the_log_says_so(every: Watched) -> None:
    with capture_logs() as logs:
        await answered(every, both(LeakyRunner()), 1, 1)
        every.check.settle()
    assert {line["bundle"] for line in logs} == {"none: repro_bundle_dir is not set"}


def test_every_outcome_is_there_from_the_start(meter: Meter) -> None:
    meter.metrics.versions.prepare(Sums(name="sums").manifest, "bitwise")
    values = [meter.value(NAME, model="sums", version="1", outcome=outcome) for outcome in CheckOutcome]
    assert values == [0, 0, 0, 0]
