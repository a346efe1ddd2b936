from __future__ import annotations

import gzip
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.errors import Reason, ServiceError
from service.core.reasons.error_kind import ErrorKind
from service.transport.httpunk.framing import Deframer, framed, unpacked

LIMIT = 1000


def reason_of(error: pytest.ExceptionInfo[ServiceError]) -> ErrorKind:
    return error.value.reason


@given(
    messages=st.lists(st.binary(max_size=60), max_size=8), cuts=st.lists(st.integers(1, 40), min_size=1, max_size=60)
)
def test_messages_come_out_however_they_were_cut(messages: list[bytes], cuts: list[int]) -> None:
    body, deframer, found = b"".join(map(framed, messages)), Deframer(LIMIT), []
    for cut in [*cuts, len(body)]:
        if body:
            deframer.feed(body[:cut])
            body = body[cut:]
        while (each := deframer.take()) is not None:
            found.append(each)
    assert found == [(False, message) for message in messages]
    assert deframer.is_empty


def test_a_large_message_is_refused_by_its_head() -> None:
    deframer = Deframer(LIMIT)
    deframer.feed(struct.pack(">BI", 0, LIMIT + 1))
    with pytest.raises(ServiceError) as caught:
        deframer.take()
    assert reason_of(caught) is Reason.MESSAGE_TOO_LARGE
    assert caught.value.facts == {"message_bytes": LIMIT + 1, "max_message_bytes": LIMIT}


def test_an_unknown_flag_is_no_message() -> None:
    deframer = Deframer(LIMIT)
    deframer.feed(b"\2\0\0\0\0")
    with pytest.raises(ServiceError) as caught:
        deframer.take()
    assert reason_of(caught) is Reason.MALFORMED_MESSAGE


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_unpacking_is_bounded(encoding: str, pack: object) -> None:
    assert callable(pack)
    for size in (0, 1, LIMIT):
        assert await unpacked(pack(bytes(size)), encoding, LIMIT) == bytes(size)
    with pytest.raises(ServiceError) as caught:
        await unpacked(pack(bytes(LIMIT + 1)), encoding, LIMIT)
    assert reason_of(caught) is Reason.MESSAGE_TOO_LARGE
    packed = pack(b"0123456789")
    for broken in (b"", b"rubbish", packed[:-1], packed + b"more"):
        with pytest.raises(ServiceError) as caught:
            await unpacked(broken, encoding, LIMIT)
        assert reason_of(caught) is Reason.MALFORMED_MESSAGE


async def test_a_message_of_several_parts_is_unpacked_whole() -> None:
    message = b"0123456789abcdef" * 200_000
    assert await unpacked(gzip.compress(message, 1), "gzip", len(message)) == message


@pytest.mark.parametrize("encoding", ["identity", "zip", "", "gzip,gzip"])
async def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(ServiceError) as caught:
        await unpacked(b"", encoding, LIMIT)
    assert reason_of(caught) is Reason.COMPRESSION_UNSUPPORTED
