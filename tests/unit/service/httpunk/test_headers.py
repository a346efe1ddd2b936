from __future__ import annotations

import grpc
import pytest
from httpunk.http import HeaderMap

from service.core.errors import Reason, ServiceError
from service.transport.boundary import to_grpc_status
from service.transport.httpunk.headers import is_grpc, metadata_of, timeout_seconds, trailers_of, trailers_only


def headers(*fields: tuple[str | bytes, str | bytes]) -> HeaderMap:
    return HeaderMap(fields)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("2H", 7200), ("3M", 180), ("4S", 4), ("5m", 0.005), ("6u", 6e-6), ("99999999n", 0.099999999)],
)
def test_timeouts(written: str, seconds: float) -> None:
    assert timeout_seconds(headers(("grpc-timeout", written))) == pytest.approx(seconds)
    assert timeout_seconds(headers()) is None


@pytest.mark.parametrize("written", ["", "1", "S", "-1S", "1.5S", "123456789S", "1S1S", "1 S", "1s", "١S".encode()])
def test_timeouts_that_cannot_be_read_are_named(written: str | bytes) -> None:
    with pytest.raises(ServiceError) as caught:
        timeout_seconds(headers(("grpc-timeout", written)))
    assert (caught.value.reason, caught.value.facts) == (Reason.METADATA_INVALID, {"field": "grpc-timeout"})


def test_metadata_is_the_callers_own() -> None:
    found = metadata_of(
        headers(
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("grpc-timeout", "1S"),
            ("user-agent", "test"),
            ("who", "me"),
            ("one-bin", "AAE"),  # padding may be left out
            ("more-bin", "AAE=, AQI="),  # and repeats be joined
        )
    )
    assert found == [
        ("user-agent", "test"),
        ("who", "me"),
        ("one-bin", b"\0\1"),
        ("more-bin", b"\0\1"),
        ("more-bin", b"\1\2"),
    ]


@pytest.mark.parametrize("written", ["A", "====", "A*E="])
def test_headers_that_cannot_be_read_are_named(written: str) -> None:
    with pytest.raises(ServiceError) as caught:
        metadata_of(headers(("who-bin", written)))
    assert (caught.value.reason, caught.value.facts) == (Reason.METADATA_INVALID, {"field": "who-bin"})


def test_metadata_is_bounded() -> None:
    assert metadata_of(headers(("who", "x" * 65_500)))
    with pytest.raises(ServiceError) as caught:
        metadata_of(headers(("who", "x" * 65_502)))
    assert caught.value.reason is Reason.METADATA_TOO_LARGE


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("application/grpc", True),
        ("application/grpc+proto", True),
        ("application/grpc;charset=utf-8", True),
        ("application/grpc-web", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_what_is_grpc(written: str, expected: bool) -> None:
    assert is_grpc(headers(("content-type", written))) is expected


def test_a_status_carries_its_message_and_details() -> None:
    status = to_grpc_status(ServiceError(Reason.MODEL_NOT_FOUND, model="100 % käse\n"))
    found = trailers_of(status)
    assert found["grpc-status"] == str(grpc.StatusCode.NOT_FOUND.value[0]).encode()
    assert b"100 %25 k" in found["grpc-message"]
    assert found["grpc-message"].isascii()
    assert b"=" not in found["grpc-status-details-bin"]
    assert trailers_only(status)["content-type"] == b"application/grpc"
