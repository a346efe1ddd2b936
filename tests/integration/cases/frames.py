"""Owns the bad inputs that lie in the frames themselves."""

from __future__ import annotations

import math

from service.core.errors import Reason
from service.core.reasons.error_kind import ErrorKind
from soloist.v1 import tensor_pb2
from tests.integration.asking import chunk, ones, opening, tensor
from tests.integration.cases.case import Case
from tests.integration.strict import MAX_CHUNK_FRAMES, MAX_FRAMES, SHORT_FRAMES

_INVALID = "INVALID_ARGUMENT"
_NAN: float = math.nan
_INF: float = math.inf


def _case(
    name: str, reason: ErrorKind, frames: tensor_pb2.Tensor, *, model: str = "sums", **facts: object
) -> tuple[Case, Case]:
    """Send the same frames whole and as the first chunk of a stream."""
    reported = {key: str(value) for key, value in facts.items()}
    return (
        Case(
            name=f"predict-{name}",
            reason=reason,
            code=_INVALID,
            facts=reported,
            ask=lambda asker: asker.predict(frames, model=model),
        ),
        Case(
            name=f"stream-{name}",
            reason=reason,
            code=_INVALID,
            facts=reported,
            ask=lambda asker: asker.converse(opening(model), chunk(0, frames)),
        ),
    )


_SHAPED = "[time, 2]"
CASES = [
    *_case("five-features", Reason.FEATURE_COUNT_MISMATCH, ones(3, 5), feature_count=5, expected=2),
    *_case("no-features", Reason.FEATURE_COUNT_MISMATCH, ones(3, 0), feature_count=0, expected=2),
    *_case("float64", Reason.DATA_TYPE_MISMATCH, tensor([[1, 2]], "float64"), data_type="float64", expected="float32"),
    *_case("untyped", Reason.DATA_TYPE_MISMATCH, tensor([[1, 2]], data_type=0), data_type="unspecified"),
    *_case("unheard-of-type", Reason.DATA_TYPE_MISMATCH, tensor([[1, 2]], data_type=99), data_type="99"),
    *_case(
        "numbers-for-tokens",
        Reason.DATA_TYPE_MISMATCH,
        tensor([1, 2]),
        model="letters",
        data_type="float32",
        expected="int64",
    ),
    *_case("a-byte-short", Reason.BYTE_LENGTH_MISMATCH, tensor([[1, 2]], data=bytes(7)), byte_length=7, expected=8),
    *_case("a-byte-long", Reason.BYTE_LENGTH_MISMATCH, tensor([[1, 2]], data=bytes(9)), byte_length=9, expected=8),
    *_case("no-bytes", Reason.BYTE_LENGTH_MISMATCH, tensor([[1, 2]], data=b""), byte_length=0, expected=8),
    *_case("beyond-memory", Reason.BYTE_LENGTH_MISMATCH, tensor([[1, 2]], shape=[2**62, 2]), expected=2**65),
    *_case("nothing-set", Reason.SHAPE_MISMATCH, tensor_pb2.Tensor(), shape="[]", expected=_SHAPED),
    *_case("one-axis", Reason.SHAPE_MISMATCH, tensor([1, 2]), shape="[2]", expected=_SHAPED),
    *_case("batch-axis", Reason.SHAPE_MISMATCH, tensor([[[1, 2]]]), shape="[1, 1, 2]", expected=_SHAPED),
    *_case("negative-time", Reason.SHAPE_MISMATCH, tensor([[1, 2]], shape=[-1, 2]), shape="[-1, 2]"),
    *_case("twice-negative", Reason.SHAPE_MISMATCH, tensor([[1, 2]], shape=[-1, -2]), shape="[-1, -2]"),
    *_case(
        "very-many-axes",
        Reason.TOO_MANY_ENTRIES,
        tensor([[1, 2]], shape=[1] * 3000),
        field="frames.shape",
        count=3000,
        max_count=32,
    ),
    *_case("tokens-in-2d", Reason.SHAPE_MISMATCH, tensor([[1]], "int64"), model="letters", expected="[time]"),
    *_case("no-frames", Reason.EMPTY_SEQUENCE, ones(0)),
    *_case("no-tokens", Reason.EMPTY_SEQUENCE, tensor([], "int64"), model="letters"),
    *_case("nan", Reason.NON_FINITE_INPUT, tensor([[1.0, 2.0], [3.0, _NAN]]), frame=1),
    *_case("infinity", Reason.NON_FINITE_INPUT, tensor([[1.0, 2.0], [3.0, 4.0], [_INF, 6.0]]), frame=2),
    *_case("minus-infinity", Reason.NON_FINITE_INPUT, tensor([[-_INF, 2.0], [3.0, _NAN]]), frame=0),
    *_case(
        "token-256",
        Reason.TOKEN_OUT_OF_RANGE,
        tensor([7, 256], "int64"),
        model="letters",
        frame=1,
        token=256,
        max_token=255,
    ),
    *_case("token-minus-1", Reason.TOKEN_OUT_OF_RANGE, tensor([-1], "int64"), model="letters", frame=0, token=-1),
    Case(
        name="predict-too-many-frames",
        reason=Reason.SEQUENCE_TOO_LONG,
        code=_INVALID,
        facts={"frame_count": str(MAX_FRAMES + 1), "max_frames": str(MAX_FRAMES)},
        ask=lambda asker: asker.predict(ones(MAX_FRAMES + 1)),
    ),
    Case(
        name="predict-more-frames-than-the-model-takes",
        reason=Reason.SEQUENCE_TOO_LONG,
        code=_INVALID,
        facts={"frame_count": str(SHORT_FRAMES + 1), "max_frames": str(SHORT_FRAMES)},
        ask=lambda asker: asker.predict(ones(SHORT_FRAMES + 1), model="short"),
    ),
    Case(
        name="stream-more-frames-than-the-model-takes",
        reason=Reason.SEQUENCE_TOO_LONG,
        code=_INVALID,
        facts={"frame_count": str(SHORT_FRAMES + 1), "max_frames": str(SHORT_FRAMES)},
        ask=lambda asker: asker.converse(opening("short"), chunk(0, ones(SHORT_FRAMES)), chunk(SHORT_FRAMES, ones(1))),
    ),
    Case(
        name="stream-too-many-frames-in-a-chunk",
        reason=Reason.CHUNK_TOO_LONG,
        code=_INVALID,
        facts={"frame_count": str(MAX_CHUNK_FRAMES + 1), "max_frames": str(MAX_CHUNK_FRAMES)},
        ask=lambda asker: asker.converse(opening(), chunk(0, ones(MAX_CHUNK_FRAMES + 1))),
    ),
]
