"""Messages that are bytes already are those that protobuf writes."""

from __future__ import annotations

import pytest

from service.core.written import field, written
from soloist.v1.sequence_inference_pb2 import ChunkResult, StreamResponse

RESULT, TOKEN = StreamResponse.RESULT_FIELD_NUMBER, ChunkResult.RESUME_TOKEN_FIELD_NUMBER


@pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 300, 2**14 - 1, 2**14, 2**21, 2**23])
def test_a_message_in_another(size: int) -> None:
    result = ChunkResult(prediction_id="a" * 32, first_frame=3)
    result.outputs.data = bytes(size)
    assert field(RESULT, written(result)) == StreamResponse(result=result).SerializeToString()


def test_an_empty_message_is_there() -> None:
    assert field(RESULT, b"") == StreamResponse(result=ChunkResult()).SerializeToString()
    assert StreamResponse.FromString(field(RESULT, b"")).WhichOneof("message") == "result"


def test_a_field_behind_others() -> None:
    result = ChunkResult(prediction_id="a" * 32)
    added = written(result) + field(TOKEN, b"token")
    result.resume_token = b"token"
    assert added == written(result)


def test_a_large_field_number() -> None:
    assert field(2**28, b"x")[:5] == b"\x82\x80\x80\x80\x08"  # (2**28 << 3 | 2), as a varint
