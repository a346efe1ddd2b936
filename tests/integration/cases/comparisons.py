"""Owns the bad inputs of Compare."""

from __future__ import annotations

import math
from typing import Any

from service.core.errors import Reason
from service.core.reasons.error_kind import ErrorKind
from soloist.v1 import sequence_inference_pb2 as pb
from tests.integration.asking import Asker, ones, tensor, translated
from tests.integration.cases.case import Case
from tests.integration.strict import MAX_FRAMES, SHORT_FRAMES

_INVALID = "INVALID_ARGUMENT"
_FRAMES = 4


def _case(name: str, reason: ErrorKind, *, code: str = _INVALID, request: dict[str, Any], **facts: object) -> Case:
    reported = {key: str(value) for key, value in facts.items()}

    whole: dict[str, Any] = {"model": "sums", "frames": ones(_FRAMES), **request}

    def ask(asker: Asker) -> object:
        with translated():
            return asker.stub.Compare(pb.CompareRequest(**whole))

    return Case(name=f"compare-{name}", reason=reason, code=code, facts=reported, ask=ask)


def _neighbours(count: int, scale: float = 1.0) -> pb.Condition:
    return pb.Condition(neighbours=pb.BatchNeighbours(count=count, scale=scale))


def _out_of_range(name: str, field: str, value: object, **request: Any) -> Case:
    return _case(name, Reason.COMPARISON_OUT_OF_RANGE, request=request, field=field, value=value)


CASES = [
    _case("unknown", Reason.MODEL_NOT_FOUND, code="NOT_FOUND", request={"model": "nobody"}, model="nobody"),
    _case(
        "unknown-sibling", Reason.MODEL_NOT_FOUND, code="NOT_FOUND", request={"siblings": ["nobody"]}, model="nobody"
    ),
    _case("broken-sibling", Reason.MODEL_UNAVAILABLE, code="FAILED_PRECONDITION", request={"siblings": ["corrupt"]}),
    _case(
        "sibling-of-another-kind",
        Reason.SIBLING_MISMATCH,
        request={"siblings": ["letters"]},
        sibling="letters",
        model="sums",
    ),
    _case(
        "empty-condition", Reason.EMPTY_CONDITION, request={"conditions": [_neighbours(1), pb.Condition()]}, condition=1
    ),
    _case("no-frames", Reason.EMPTY_SEQUENCE, request={"frames": ones(0)}),
    _case("nan", Reason.NON_FINITE_INPUT, request={"frames": tensor([[1, math.nan]])}, frame=0),
    _case(
        "bad-mate",
        Reason.FEATURE_COUNT_MISMATCH,
        request={"neighbours": [ones(2), ones(2, 5)]},
        neighbour=1,
        feature_count=5,
    ),
    _case(
        "too-long",
        Reason.SEQUENCE_TOO_LONG,
        request={"frames": ones(MAX_FRAMES + 1)},
        max_frames=MAX_FRAMES,
    ),
    _case(
        "too-long-for-a-sibling",
        Reason.SEQUENCE_TOO_LONG,
        request={"frames": ones(SHORT_FRAMES + 1), "siblings": ["short"]},
        max_frames=SHORT_FRAMES,
    ),
    _case(
        "mate-too-long",
        Reason.SEQUENCE_TOO_LONG,
        request={"model": "short", "neighbours": [ones(SHORT_FRAMES + 1)]},
        neighbour=0,
    ),
    _case(
        "too-large",
        Reason.COMPARISON_TOO_LARGE,
        request={"siblings": ["whole"], "frames": ones(MAX_FRAMES), "conditions": [_neighbours(64)] * 32},
        scope="the comparison",
    ),
    _out_of_range("no-mates", "mates.count", 0, conditions=[_neighbours(0)]),
    _out_of_range("many-mates", "mates.count", 65, conditions=[_neighbours(65)]),
    _out_of_range("negative-mates", "mates.count", -1, conditions=[_neighbours(-1)]),
    _out_of_range("more-mates-than-sent", "mates.count", 2, conditions=[_neighbours(2)], neighbours=[ones(3)]),
    _out_of_range("negative-scale", "mates.scale", -1.0, conditions=[_neighbours(1, -1)]),
    _out_of_range("scale-that-is-no-number", "mates.scale", "nan", conditions=[_neighbours(1, math.nan)]),
    _out_of_range("infinite-scale", "mates.scale", "inf", conditions=[_neighbours(1, math.inf)]),
    _out_of_range(
        "loud-tokens",
        "mates.scale",
        2.0,
        model="letters",
        frames=tensor([1, 2], "int64"),
        conditions=[_neighbours(1, 2)],
    ),
    _out_of_range("padded-to-less", "padded_frames", 3, conditions=[pb.Condition(padded_frames=3)]),
    _out_of_range("padded-to-all", "padded_frames", 2**62, conditions=[pb.Condition(padded_frames=2**62)]),
    _out_of_range("chunks-of-none", "chunk_frames", 0, conditions=[pb.Condition(chunk_frames=0)]),
    _out_of_range("chunks-beyond-the-end", "chunk_frames", 5, conditions=[pb.Condition(chunk_frames=5)]),
    _out_of_range("many-conditions", "conditions", 33, conditions=[_neighbours(1)] * 33),
    _out_of_range("many-siblings", "siblings", 8, siblings=["short"] * 8),
    _out_of_range("many-sent-mates", "neighbours", 65, neighbours=[ones(1)] * 65),
]
