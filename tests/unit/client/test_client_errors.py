"""Refusals become typed exceptions, and some are tried again."""

from __future__ import annotations

import pickle
import threading
from typing import TYPE_CHECKING

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2

from soloist import (
    NO_RETRY,
    AbortedError,
    AsyncClient,
    Client,
    DeadlineExceededError,
    InternalError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    ResourceExhaustedError,
    RetryPolicy,
    SoloistError,
    UnauthenticatedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from tests.unit.client.conftest import FakeServer, FakeTiming

FRAMES = np.ones((3, 2), np.float32)
NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidInputError),
        (grpc.StatusCode.OUT_OF_RANGE, InvalidInputError),
        (grpc.StatusCode.NOT_FOUND, NotFoundError),
        (grpc.StatusCode.FAILED_PRECONDITION, PreconditionError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ResourceExhaustedError),
        (grpc.StatusCode.UNAVAILABLE, UnavailableError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceededError),
        (grpc.StatusCode.CANCELLED, AbortedError),
        (grpc.StatusCode.ABORTED, AbortedError),
        (grpc.StatusCode.INTERNAL, InternalError),
        (grpc.StatusCode.UNKNOWN, InternalError),
        (grpc.StatusCode.UNAUTHENTICATED, UnauthenticatedError),
        (grpc.StatusCode.PERMISSION_DENIED, PermissionDeniedError),
        (grpc.StatusCode.UNIMPLEMENTED, SoloistError),
    ],
)
def test_each_code_has_its_class(fake: FakeServer, code: grpc.StatusCode, kind: type[SoloistError]) -> None:
    fake.refuse(code, "SOME_REASON", "Some words.", limit="7")
    with Client(fake.target, retry=NO_RETRY) as client, pytest.raises(SoloistError) as caught:
        client.predict("sums", FRAMES)
    error = caught.value
    assert type(error) is kind
    assert (error.code, error.reason, error.message, error.facts) == (
        code,
        "SOME_REASON",
        "Some words.",
        {"limit": "7"},
    )
    assert str(error) == "SOME_REASON: Some words."


def test_a_code_without_details_is_its_own_reason(fake: FakeServer) -> None:
    fake.refuse(grpc.StatusCode.INTERNAL)
    with Client(fake.target) as client, pytest.raises(InternalError) as caught:
        client.predict("sums", FRAMES)
    assert (caught.value.reason, caught.value.facts) == ("INTERNAL", {})


async def test_decodes_async(fake: FakeServer) -> None:
    async with AsyncClient(fake.target) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.predict("absent", FRAMES)
    assert (caught.value.reason, caught.value.facts) == ("MODEL_NOT_FOUND", {"model": "absent"})


def test_details_that_a_proxy_left_behind_are_ignored(fake: FakeServer) -> None:
    fake.refuse(grpc.StatusCode.UNKNOWN, "SOME_REASON", rewritten="rewritten")
    with Client(fake.target) as client, pytest.raises(InternalError) as caught:
        client.predict("sums", FRAMES)
    assert (caught.value.reason, caught.value.message) == ("UNKNOWN", "rewritten")


def test_an_error_survives_pickling() -> None:
    error = NotFoundError("No.", code=grpc.StatusCode.NOT_FOUND, reason="R", facts={"model": "m"})
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 — our own bytes
    assert (type(again), str(again), again.facts) == (NotFoundError, "R: No.", {"model": "m"})


def test_tries_again_while_the_server_drains(fake: FakeServer, clock: FakeTiming) -> None:
    fake.refuse(grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING", times=3)
    with Client(fake.target, timing=clock.timing()) as client:
        assert client.predict("sums", FRAMES).label == "left"
    assert clock.pauses == [0.05, 0.1, 0.2]


async def test_tries_again_when_the_queue_is_full_async(fake: FakeServer, clock: FakeTiming) -> None:
    fake.refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
    async with AsyncClient(fake.target, timing=clock.timing()) as client:
        assert (await client.predict("sums", FRAMES)).label == "left"
    assert clock.pauses == [0.05]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_SESSIONS"),
        (grpc.StatusCode.INVALID_ARGUMENT, "SHAPE_MISMATCH"),
        (grpc.StatusCode.INTERNAL, "INTERNAL"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
    ],
)
def test_does_not_repeat_what_cannot_help(
    fake: FakeServer, clock: FakeTiming, code: grpc.StatusCode, reason: str
) -> None:
    fake.refuse(code, reason)
    with Client(fake.target, timing=clock.timing()) as client, pytest.raises(SoloistError) as caught:
        client.predict("sums", FRAMES)
    assert (caught.value.reason, clock.pauses) == (reason, [])


def test_gives_up_after_so_many_attempts(clock: FakeTiming) -> None:
    policy = RetryPolicy(attempts=3, initial_backoff_seconds=1.0, max_backoff_seconds=1.5)
    with Client(NOBODY, retry=policy, timing=clock.timing()) as client, pytest.raises(UnavailableError) as caught:
        client.predict("sums", FRAMES)
    assert (caught.value.reason, clock.pauses) == ("UNAVAILABLE", [1.0, 1.5])


async def test_no_pause_outlasts_the_deadline(clock: FakeTiming) -> None:
    policy = RetryPolicy(attempts=9, initial_backoff_seconds=2.0, max_backoff_seconds=60.0)
    async with AsyncClient(NOBODY, retry=policy, timing=clock.timing(), timeout_seconds=5.0) as client:
        with pytest.raises(UnavailableError):
            await client.predict("sums", FRAMES)
    assert clock.pauses == [2.0]  # the next one, 4 s, would end after the deadline


def test_the_deadline_is_the_servers_too(fake: FakeServer) -> None:
    fake.held = threading.Event()
    with Client(fake.target) as client, pytest.raises(DeadlineExceededError) as caught:
        client.predict("sums", FRAMES, timeout_seconds=0.05)
    fake.held.set()
    assert caught.value.reason == "DEADLINE_EXCEEDED"


def test_a_policy_must_make_sense() -> None:
    with pytest.raises(ValueError, match="attempts"):
        RetryPolicy(attempts=0)
    with pytest.raises(ValueError, match="multiplier"):
        RetryPolicy(multiplier=0.5)


def test_readiness_is_health(fake: FakeServer) -> None:
    fake.health.set("letters", health_pb2.HealthCheckResponse.NOT_SERVING)
    with Client(fake.target) as client:
        client.wait_until_ready()
        assert (client.ready(), client.ready("letters"), client.ready("absent")) == (True, False, False)


def test_nobody_there_is_not_ready(clock: FakeTiming) -> None:
    with Client(NOBODY, timing=clock.timing()) as client:
        assert not client.ready()
        with pytest.raises(DeadlineExceededError) as caught:
            client.wait_until_ready(0.12)
    assert caught.value.reason == "NOT_READY"
    assert sum(clock.pauses) == pytest.approx(0.12)


async def test_waits_until_ready_async(fake: FakeServer, clock: FakeTiming) -> None:
    fake.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    async with AsyncClient(fake.target, timing=clock.timing()) as client:
        assert not await client.ready()
        with pytest.raises(DeadlineExceededError):
            await client.wait_until_ready(1.0)
        fake.health.set("", health_pb2.HealthCheckResponse.SERVING)
        await client.wait_until_ready(1.0)
        assert await client.ready()
