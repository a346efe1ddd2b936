"""A real server watches its normalisers: what was pooled is told, by metrics, by the API and on a terminal."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from soloist import Admin, AsyncClient, AsyncMonitor, Client, Monitor, NormSkew, SampledSequence, SoloistError
from soloist.cli.main import main
from tests.probe_graphs import LAYER, WINDOW, write
from tests.servers import RunningServer, eventually, running_server

# Fading hardly, so that what is pooled can be worked out.
EVERYTHING: dict[str, Any] = {"skew_probe_ratio": 1, "skew_keep_sequences": 10, "skew_half_life_seconds": 1e9}
PROBES = "soloist_norm_probes_total"
# Sums of these have mean 1 and variance 1, as the reference.
AS_TRAINED = [0.0, 2.0, -2.0, 2.0]


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[RunningServer]:
    write(tmp_path / "repository")
    with running_server(tmp_path / "repository", tmp_path, **EVERYTHING) as server:
        yield server


def column(values: list[float]) -> Any:
    return np.array(values, np.float32)[:, None]


def chunked(server: RunningServer, values: list[float]) -> None:
    with Client(server.grpc) as client, client.stream("sums") as stream:
        for value in values:
            stream.send(column([value]))


def pooled(server: RunningServer, answers: int, **which: Any) -> NormSkew:
    assert eventually(lambda: server.total(PROBES, outcome="probed") == answers)
    with Monitor(server.grpc) as monitor:
        return monitor.norm_skew("sums", **which)


def test_traffic_as_in_training_crosses_nothing_and_a_gain_does(watching: RunningServer) -> None:
    with Client(watching.grpc) as client, Monitor(watching.grpc) as monitor:
        assert monitor.norm_skew("sums").since_seconds is None
        for _ in range(2 * WINDOW):
            client.predict("sums", column(AS_TRAINED))
        before = pooled(watching, 2 * WINDOW)
        for _ in range(6 * WINDOW):
            client.predict("sums", column([10 * value for value in AS_TRAINED]))
        after = pooled(watching, 8 * WINDOW)
    assert (before.sequences, before.frames) == (2 * WINDOW, 8 * WINDOW)
    assert before.effective_sequences == pytest.approx(2 * WINDOW, rel=0.01)
    (layer,) = before.layers
    assert (layer.name, layer.kind, layer.crossed) == (LAYER, "batch", False)
    assert layer.figures is not None
    assert layer.figures.mean_tid == pytest.approx(0, abs=1e-4)
    (layer,) = after.layers
    assert layer.crossed
    assert layer.figures is not None
    assert layer.figures.divergence_nats > 0.5
    series = watching.samples("soloist_norm_")
    labels = (("layer", LAYER), ("model", "sums"), ("moment", "variance"), ("version", "1"))
    assert series["soloist_norm_skew"][labels] == pytest.approx(layer.figures.variance_tid)
    assert series["soloist_norm_skew"][labels] > series["soloist_norm_skew_threshold"][labels] == 0.5
    assert watching.total("soloist_norm_skew_sequences") == pytest.approx(after.effective_sequences, rel=0.01)


def test_series_are_there_from_the_start_and_without_figures(watching: RunningServer) -> None:
    series = watching.samples("soloist_norm_")
    assert {dict(key)["outcome"] for key in series[PROBES]} == {"probed", "dropped", "failed"}
    counts = (PROBES, "soloist_norm_skew_sequences")
    figures = [value for name, each in series.items() if name not in counts for value in each.values()]
    assert len(figures) == 8
    assert all(math.isnan(value) for value in figures)


def test_chunks_add_up_to_the_whole(watching: RunningServer) -> None:
    values = [[0.5, 1.5, -3.0, 2.0, 0.25, 1.0], [1.0, 2.0, 4.0]] * WINDOW
    with Client(watching.grpc) as client:
        for each in values:
            client.predict("sums", column(each))
    (live,) = (layer.live for layer in pooled(watching, len(values)).layers)
    kept_whole = kept(watching)
    folder = watching.repository.parent
    with running_server(watching.repository, folder, **EVERYTHING) as other:
        for each in values:
            chunked(other, each)
        (found,) = (layer.live for layer in pooled(other, sum(map(len, values))).layers)
        kept_chunked = kept(other)
    assert [*found.mean, *found.variance] == pytest.approx([*live.mean, *live.variance], rel=1e-4)
    joined = [[each.frames[:, 0].tolist() for each in sequences] for sequences in (kept_whole, kept_chunked)]
    assert joined[0] == joined[1] == values
    assert [len(each.prediction_ids) for each in kept_chunked] == [len(each) for each in values]


def kept(server: RunningServer) -> list[SampledSequence]:
    with Monitor(server.grpc) as monitor:
        return list(monitor.sampled_sequences("sums"))


def test_the_last_answer_s_id_is_told_and_times_are_in_order(watching: RunningServer) -> None:
    with Client(watching.grpc) as client:
        answers = [client.predict("sums", column([1.0])).prediction_id for _ in range(3)]
    pooled(watching, 3)
    found = kept(watching)
    assert [each.prediction_ids for each in found] == [(answer,) for answer in answers]
    assert [each.first_seen_seconds for each in found] == sorted(each.first_seen_seconds for each in found)


def test_a_shadow_of_another_normaliser_stands_beside(tmp_path: Path) -> None:
    write(tmp_path / "repository")
    write(tmp_path / "repository", version=2, norm="layer")
    with running_server(tmp_path / "repository", tmp_path, version_policy="all", **EVERYTHING) as server:
        with Admin(server.grpc) as operator, Client(server.grpc) as client:
            operator.spread("sums", labels={"stable": 1}, shadow_version=2)
            for _ in range(3 * WINDOW):
                client.predict("sums", column(AS_TRAINED))
            assert pooled(server, 6 * WINDOW).version == 1
        batch, control = pooled(server, 6 * WINDOW, version=1), pooled(server, 6 * WINDOW, version=2)
        series = server.samples("soloist_norm_input_mean")["soloist_norm_input_mean"]
    assert (control.norm, control.layers[0].reference, control.layers[0].figures) == ("layer", None, None)
    assert list(control.layers[0].live.mean) == list(batch.layers[0].live.mean)
    assert len(set(series.values())) == 1
    assert len(series) == 2


async def test_the_monitor_for_asyncio_is_told_the_same(watching: RunningServer) -> None:
    async with AsyncClient(watching.grpc) as client, AsyncMonitor(watching.grpc) as monitor:
        for _ in range(WINDOW + 1):
            await client.predict("sums", column(AS_TRAINED))
        reported = await asyncio.to_thread(pooled, watching, WINDOW + 1)
        assert (await monitor.norm_skew("sums")).layers == reported.layers
        found = [each.frames.tolist() async for each in monitor.sampled_sequences("sums")]
        with pytest.raises(SoloistError, match="nobody"):
            await anext(monitor.sampled_sequences("nobody"))
    assert found == [column(AS_TRAINED).tolist()] * (WINDOW + 1)


def test_nothing_is_kept_unless_the_operator_says_so(tmp_path: Path) -> None:
    write(tmp_path / "repository")
    with running_server(tmp_path / "repository", tmp_path, skew_probe_ratio=1) as server, Client(server.grpc) as client:
        client.predict("sums", column([1.0]))
        pooled(server, 1)
        with pytest.raises(SoloistError, match="skew_keep_sequences") as refused:
            kept(server)
    assert refused.value.reason == "SAMPLE_NOT_KEPT"


def test_without_a_share_nothing_is_probed(tmp_path: Path) -> None:
    write(tmp_path / "repository")
    with running_server(tmp_path / "repository", tmp_path, skew_probe_ratio=0) as server, Client(server.grpc) as client:
        client.predict("sums", column([1.0]))
        assert pooled(server, 0).probe_ratio == 0
        assert server.total(PROBES) == 0
        server.ask_to_stop()
        assert server.exit_code() == 0


def test_the_table_says_what_is_crossed(watching: RunningServer) -> None:
    command = ["skew", "sums", "--server", watching.grpc]
    assert "nothing was probed yet" in CliRunner().invoke(main, command).output
    with Client(watching.grpc) as client:
        client.predict("sums", column([9.0]))
        pooled(watching, 1)
        assert f"figures are given from {WINDOW} on" in CliRunner().invoke(main, command).output
        for _ in range(WINDOW):
            client.predict("sums", column([9.0]))
    pooled(watching, 1 + WINDOW)
    heading, columns, layer = CliRunner().invoke(main, command).output.splitlines()
    assert heading.startswith(f"sums version 1 (batch): {1 + WINDOW} sequences, {1 + WINDOW} frames, ")
    assert columns.split() == ["LAYER", "KIND", "MEAN", "TID", "VARIANCE", "TID", "DIVERGENCE"]
    assert layer.split()[:2] == [LAYER, "batch"]
    assert layer.endswith("/ 0.5  CROSSED")
    reported = json.loads(CliRunner().invoke(main, [*command, "--json"]).output)
    assert reported["layers"][0]["live"]["mean"] == [9.0]
    assert reported["layers"][0]["reference"] == {"mean": [1.0], "variance": [1.0]}
    assert reported["layers"][0]["thresholds"]["divergence_nats"] == 0.5
