"""The bench of the request path: a server with and without a network, in short form."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.request_path import Plan, measure, table
from bench.request_stages.measure import COLUMNS
from service.serving.recorder import Recorder
from service.transport import wire
from tests.graphs import Sums


@pytest.mark.parametrize("alone", [False, True])
def test_every_stage_of_every_traffic_is_measured(tmp_path: Path, alone: bool) -> None:
    Sums(name="sums").write(tmp_path)
    own = wire.check, Recorder.succeeded, Recorder.call_ended
    plan = Plan(model="sums", in_flight=(1, 4), count=60, repetitions=1, alone=alone, transport=not alone)

    found = asyncio.run(measure(tmp_path, plan))

    assert [(each.traffic, each.in_flight) for each in found] == [
        ("unary", 1),
        ("unary", 4),
        ("chunk", 1),
        ("chunk", 4),
    ]
    for each in found:
        assert set(each.us) == set(COLUMNS)
        assert all(each.us[stage] > 0 for stage in ("checks", "run", "encode", "metrics", "publish"))
        assert each.bare_us > 0
        assert each.python_calls > 0
        assert each.c_calls > 0
        assert each.rows_a_run == 1 if alone or each.in_flight == 1 else each.rows_a_run >= 1
    assert table(found, plan).row_count == len(COLUMNS) + 7
    # What was put in the place of the server's functions is gone.
    assert (wire.check, Recorder.succeeded, Recorder.call_ended) == own
