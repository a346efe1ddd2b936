"""A real server says when its estimate of the accuracy is not to be trusted: by metrics, the API and on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from models.data import load
from soloist import AsyncMonitor, Client, EstimateTrust, Monitor
from soloist.cli.main import main
from soloist.v1 import model_pb2
from tests.integration.asking import asking
from tests.integration.infer_requests import infer, request
from tests.integration.labelling import sequence, write_classifier
from tests.servers import RunningServer, eventually, running_server

TRUSTED = "soloist_estimated_accuracy_trusted"
DRIFT = "soloist_input_drift_ratio"
WINDOW = 4
# Of as many sequences of either class.
_BOUNDS = model_pb2.SkewThresholds(window_sequences=WINDOW, mean_tid=0.5, variance_tid=0.5, divergence_nats=0.5)
REFERENCE = model_pb2.InputReference(
    moments=model_pb2.Moments(mean=[0.5, 0.5], variance=[0.25, 0.25]), eps=1e-5, thresholds=[_BOUNDS]
)
USUAL, QUIET, WITHOUT, FEW, WRONG = 1, 2, 3, 4, 5
HALF = 0.5


def settings(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "prediction_log": folder / "log.db",
        "prediction_log_flush_seconds": 0.02,
        "version_policy": "all",
        "skew_probe_ratio": 1,
        "skew_core_ratio": 1,
        "skew_half_life_seconds": 1e9,
        **more,
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    """A server whose versions have had their traffic: each was named for it."""
    folder = tmp_path_factory.mktemp("told")
    for version in (USUAL, QUIET, FEW):
        write_classifier(folder / "repository", version=version, reference=REFERENCE)
    write_classifier(folder / "repository", version=WITHOUT)
    other = model_pb2.InputReference(moments=model_pb2.Moments(mean=[1], variance=[1]), eps=1, thresholds=[_BOUNDS])
    write_classifier(folder / "repository", version=WRONG, reference=other)
    with running_server(folder / "repository", folder, **settings(folder, transport=transport)) as server:
        for version in (USUAL, WITHOUT, WRONG):
            answer(server, version)
        answer(server, QUIET, gain=HALF)
        with Client(server.grpc) as client:
            client.predict("sums", sequence(0), version=FEW)
        # Those of a version that has nothing to compare aren't sampled.
        assert eventually(lambda: server.total("soloist_norm_probes_total", outcome="probed") == 3 * 12 + 1)
        assert eventually(lambda: set(by_version(server)) == {USUAL, QUIET, WITHOUT, FEW, WRONG})
        yield server


def answer(server: RunningServer, version: int, gain: float = 1.0) -> None:
    """Let a version answer 8 sequences, in every way."""
    zero, one = gain * sequence(0), gain * sequence(1)
    with Client(server.grpc) as client, asking(server.grpc) as asker:
        for frames in (zero, one):
            client.predict("sums", frames, version=version)
            for _ in range(2):
                with client.stream("sums", version=version) as stream:
                    stream.send(frames[:1])
                    stream.send(frames[1:])
        infer(asker, request(np.stack([zero, one]).astype(np.float32), version=str(version)))


def by_version(server: RunningServer) -> dict[int, EstimateTrust]:
    with Monitor(server.grpc) as monitor:
        return {each.version: each.trust for each in monitor.accuracy("sums")}


def shown(server: RunningServer, name: str) -> dict[int, float]:
    series = server.samples(name).get(name, {})
    assert all(dict(key)["norm"] == "layer" for key in series)
    return {int(dict(key)["version"]): value for key, value in series.items()}


def test_half_the_gain_is_not_trusted_and_usual_traffic_is(told: RunningServer) -> None:
    found = by_version(told)
    usual, quiet = found[USUAL], found[QUIET]
    assert (usual.is_trusted, usual.reason, usual.norm_skew) == (True, "", None)
    assert usual.effective_sequences == pytest.approx(8)
    assert usual.input_drift == pytest.approx(0, abs=1e-3)
    assert (quiet.is_trusted, quiet.reason) == (False, "input drift 2.00 > 1")
    assert quiet.input_drift == pytest.approx(2, rel=1e-3)
    assert shown(told, TRUSTED) == {USUAL: 1, QUIET: 0}
    assert shown(told, DRIFT) == {USUAL: usual.input_drift, QUIET: quiet.input_drift}


@pytest.mark.parametrize(
    ("version", "reason"),
    [(WITHOUT, "no reference"), (WRONG, "no reference"), (FEW, f"1.0 of {WINDOW} sequences")],
)
def test_it_is_unknown_without_a_reference_and_with_little_traffic(
    told: RunningServer, version: int, reason: str
) -> None:
    found = by_version(told)[version]
    assert (found.is_trusted, found.input_drift, found.reason) == (None, None, reason)


async def test_the_monitor_for_asyncio_is_told_the_same(told: RunningServer) -> None:
    async with AsyncMonitor(told.grpc) as monitor:
        (found,) = await monitor.accuracy("sums", QUIET)
    assert found.trust == by_version(told)[QUIET]


def test_the_table_says_why(told: RunningServer) -> None:
    command = ["accuracy", "sums", "--window", "5m", "--server", told.grpc]
    heading, *rows = CliRunner().invoke(main, command).output.splitlines()
    place = heading.index("TRUSTED")
    words = [row[place:].split("  ")[0].strip() for row in rows]
    assert words == [
        "yes",
        "no: input drift 2.00 > 1",
        "unknown: no reference",
        f"unknown: 1.0 of {WINDOW} sequences",
        "unknown: no reference",
    ]
    quiet = json.loads(CliRunner().invoke(main, [*command, "--version", str(QUIET), "--json"]).output)["trust"]
    assert (quiet["is_trusted"], quiet["reason"]) == (False, "input drift 2.00 > 1")


def test_an_exported_layer_norm_knows_held_out_data_and_half_their_gain(repository: Path, tmp_path: Path) -> None:
    held_out = load("vowels").test.sequences
    with running_server(repository, tmp_path, **settings(tmp_path)) as server, Client(server.grpc) as client:
        for count, gain, is_trusted in ((40, 1.0, 1.0), (120, HALF, 0.0)):
            for frames in held_out[:: len(held_out) // count][:count]:
                client.predict("vowels-tcn-layer", (gain * frames).astype(np.float32))
            asked = {"model": "vowels-tcn-layer", "version": "1", "norm": "layer"}
            done = 40 if gain == 1 else 160
            assert eventually(lambda d=done: server.total("soloist_norm_probes_total", outcome="probed") == d)  # type: ignore[misc]
            assert server.total(TRUSTED, **asked) == is_trusted
