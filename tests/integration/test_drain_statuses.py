"""Calls that stay open until a server stops: they are answered or told SERVER_DRAINING, and then nobody is there."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from soloist.client.errors import from_rpc_error
from soloist.v1 import feedback_pb2, feedback_pb2_grpc, sequence_inference_pb2_grpc
from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.integration.asking import chunk, ones, opening
from tests.servers import eventually, running_server

Outcome = tuple[str, str]
_GONE = ("UNAVAILABLE", "")
_REPORTED = ("UNAVAILABLE", "SERVER_DRAINING")
_OK = ("OK", "")
_CALLERS_OF_A_KIND = 6


@pytest.mark.parametrize("drain_seconds", [0, 0.3])
def test_every_call_ends_for_a_reason(tmp_path: Path, drain_seconds: float, transport: str) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    settings: dict[str, Any] = {
        "transport": transport,
        "drain_seconds": drain_seconds,
        "prediction_log": tmp_path / "log.db",
    }
    outcomes: Counter[Outcome] = Counter()
    with running_server(tmp_path / "repository", tmp_path, **settings) as server:
        over = threading.Event()
        callers = [partial(kind, over) for kind in (_predict, _held, _report, _watch)]
        callers *= _CALLERS_OF_A_KIND
        with ThreadPoolExecutor(len(callers)) as threads:
            futures = [threads.submit(_call_on, server.grpc, caller) for caller in callers]
            assert eventually(lambda: server.total("soloist_sessions_open") == _CALLERS_OF_A_KIND)
            server.ask_to_stop()
            assert server.exit_code() == 0
            over.set()
            for future in futures:
                outcomes.update(future.result(timeout=30))
    assert set(outcomes) <= {_OK, _REPORTED, _GONE}, outcomes
    assert outcomes[_OK]
    assert outcomes[_REPORTED] >= _CALLERS_OF_A_KIND  # the streams, at least


def _call_on(target: str, call: Callable[[grpc.Channel], object]) -> Counter[Outcome]:
    """Call until nobody is there."""
    outcomes: Counter[Outcome] = Counter()
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    with grpc.insecure_channel(target, options) as channel:
        while not outcomes[_GONE]:
            outcomes[_outcome(channel, call)] += 1
    return outcomes


def _outcome(channel: grpc.Channel, call: Callable[[grpc.Channel], object]) -> Outcome:
    try:
        call(channel)
    except grpc.RpcError as error:
        reported = from_rpc_error(error)
        return reported.code.name, "" if reported.reason == reported.code.name else reported.reason
    return _OK


def _predict(_over: threading.Event, channel: grpc.Channel) -> None:
    stub = sequence_inference_pb2_grpc.SequenceInferenceStub(channel)
    stub.Predict(pb.PredictRequest(model="sums", frames=ones(3)), timeout=30)


def _held(over: threading.Event, channel: grpc.Channel) -> None:
    def messages() -> Iterator[pb.StreamRequest]:
        yield from (opening(), chunk(0, ones(3)))
        over.wait(timeout=30)

    list(sequence_inference_pb2_grpc.SequenceInferenceStub(channel).Stream(messages(), timeout=30))


def _report(over: threading.Event, channel: grpc.Channel) -> None:
    def messages() -> Iterator[feedback_pb2.ReportStreamRequest]:
        yield feedback_pb2.ReportStreamRequest()
        over.wait(timeout=30)

    feedback_pb2_grpc.FeedbackStub(channel).ReportStream(messages(), timeout=30)


def _watch(_over: threading.Event, channel: grpc.Channel) -> None:
    list(health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=30))
