"""Nothing keeps a version that has left: neither the batcher, nor sessions that have ended."""

from __future__ import annotations

import gc
import weakref

from service.repository.refcounts import Refcounts
from service.serving.session_metrics import SessionEnd
from service.serving.sessions import Sessions
from tests.servables import GatedRunner, servable
from tests.unit.service.batcher_bench import Bench
from tests.unit.service.conftest import Meter


async def test_the_batcher_lets_go_once_what_is_under_way_is_answered(meter: Meter) -> None:
    bench = Bench(meter)
    target = servable(GatedRunner(), sliced=True)
    gone = weakref.ref(target)
    running, waiting = await bench.asked(target, 9, 1)
    bench.batcher.forget(target)
    del target
    await bench.executor.finish_all()
    assert (await running).outputs.item() == 9
    assert (await waiting).outputs.item() == 1
    del running, waiting
    gc.collect()
    assert gone() is None


def test_the_end_of_the_last_session_is_told_once(meter: Meter) -> None:
    refcounts, reported = Refcounts(), list[str]()
    sessions = Sessions(max_sessions=9, max_state_bytes=900, metrics=meter.metrics.sessions, refcounts=refcounts)
    old, new = servable(GatedRunner()), servable(GatedRunner(), version=2)
    first, second, other = sessions.begin(old), sessions.begin(old), sessions.begin(new)
    refcounts.when_unused(old, lambda: reported.append("old"))
    sessions.end(first, SessionEnd.COMPLETE)
    sessions.end(other, SessionEnd.COMPLETE)
    assert reported == []
    sessions.end(second, SessionEnd.CANCELLED)
    assert reported == ["old"]
    sessions.end(sessions.begin(old), SessionEnd.COMPLETE)
    refcounts.when_unused(new, lambda: reported.append("new"))
    assert reported == ["old", "new"]


def test_counts_of_a_version_go_with_it(meter: Meter) -> None:
    listed = {("gated", 1)}
    recorder = meter.metrics.recorder
    recorder.is_listed = lambda name, version: (name, version) in listed
    old = servable(GatedRunner())
    recorder.failed(old, seconds=1.0)
    assert recorder.statistics(old).fail.count == 1
    listed.clear()
    recorder.forget("gated", "1")
    recorder.failed(old, seconds=1.0)  # its last answer, late
    assert recorder.statistics(old).fail.count == 0
