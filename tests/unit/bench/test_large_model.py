"""The bench of a server beside a bare loop, in short form."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.large_model import Plan, measure, table
from bench.load_generator.workload import WorkloadError
from tests.graphs import Sums

PLAN = Plan(model="sums", run_ms=(0.01,), callers=(1, 4), seconds=0.02, rounds=1, transport="grpc")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the server needs a processor of its own")
def test_every_number_of_callers_gets_the_loops_answers(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path)
    before = os.sched_getaffinity(0)

    found = measure(tmp_path, PLAN)

    assert [each.callers for each in found] == [1, 4]
    for each in found:
        assert each.differing == 0
        assert each.run_ms >= 0.01
        assert 0 < each.least <= each.ratio <= each.most
    assert table(found, PLAN).row_count == 2
    assert os.sched_getaffinity(0) == before


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="there is no sums in"):
        measure(tmp_path, PLAN)
