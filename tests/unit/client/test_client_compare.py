"""What an answer depends on, through both clients."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest

from soloist import AsyncClient, BatchNeighbours, Chunked, Client, InvalidInputError, Padded, ResourceExhaustedError
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from tests.unit.client.conftest import FakeServer

FRAMES = np.array([[1, 2], [3, 5], [0.5, 0.25]], np.float32)


def test_without_a_word_the_server_chooses(fake: FakeServer) -> None:
    with Client(fake.target) as client:
        found = client.compare("sums", FRAMES)
    (request,) = fake.requests
    assert (list(request.siblings), list(request.conditions), list(request.neighbours)) == ([], [], [])
    assert found.frame_count == 3
    assert found.conditions == [BatchNeighbours(1), BatchNeighbours(7, 100.0), Padded(6), Chunked(1)]


def test_tells_who_keeps_the_bits(fake: FakeServer) -> None:
    with Client(fake.target) as client:
        kept, control = client.compare("sums", FRAMES).models
    assert (kept.model, kept.version, kept.norm, kept.control, kept.twin) == ("sums", 3, "batch", False, None)
    assert kept.same_bits
    assert kept.deviation_from_twin is None
    assert (control.control, control.twin, control.same_bits) == (True, "sums", False)
    assert control.deviation_from_twin is not None
    assert control.deviation_from_twin.max_abs_difference == 0.25


def test_tells_how_far_each_answer_is_from_the_one_alone(fake: FakeServer) -> None:
    with Client(fake.target) as client:
        control = client.compare("sums", FRAMES).models[1]
    assert control.alone.outputs is not None
    assert control.alone.outputs.tolist() == [4.5, 7.25]
    assert (control.alone.label, control.alone.condition, control.alone.deviation) == ("right", None, None)
    ordinary, loud, padded, cut = control.outcomes
    assert ordinary.deviation is not None
    assert (ordinary.deviation.max_ulp, ordinary.deviation.class_changed) == (1000, False)
    assert loud.deviation is not None
    assert (loud.label, loud.deviation.class_changed) == ("left", True)
    assert math.isinf(loud.deviation.max_abs_difference)
    assert padded.deviation is not None
    assert padded.deviation.same_bits
    assert (cut.condition, cut.outputs, cut.label, cut.deviation) == (Chunked(1), None, None, None)
    assert cut.not_run == "it carries nothing from chunk to chunk"


ASKED: dict[str, Any] = {
    "version": 3,
    "siblings": ["a", "b"],
    "conditions": [BatchNeighbours(2, scale=0.0), Padded(9), Chunked(2)],
    "neighbours": [FRAMES, FRAMES[:1]],
    "seed": 7,
}


def test_passes_everything_on(fake: FakeServer) -> None:
    with Client(fake.target) as client:
        client.compare("sums", FRAMES, **ASKED)
    _assert_passed_on(fake.requests[-1])


async def test_passes_everything_on_async(fake: FakeServer) -> None:
    async with AsyncClient(fake.target) as client:
        found = await client.compare("sums", FRAMES, **ASKED)
    _assert_passed_on(fake.requests[-1])
    assert found.conditions == ASKED["conditions"]


async def test_a_version_may_be_a_label(fake: FakeServer) -> None:
    with Client(fake.target) as client:
        client.compare("sums", FRAMES, version="canary")
    async with AsyncClient(fake.target) as client:
        await client.compare("sums", FRAMES, version="canary")
    assert [(each.version, each.version_label) for each in fake.requests] == [(0, "canary")] * 2


def _assert_passed_on(request: pb.CompareRequest) -> None:
    assert (request.model, request.version, list(request.siblings), request.seed) == ("sums", 3, ["a", "b"], 7)
    zeros, padded, cut = request.conditions
    assert (zeros.neighbours.count, zeros.neighbours.HasField("scale"), zeros.neighbours.scale) == (2, True, 0)
    assert (padded.padded_frames, cut.chunk_frames) == (9, 2)
    assert [list(each.shape) for each in request.neighbours] == [[3, 2], [1, 2]]


def test_text_is_compared_with_text(fake: FakeServer) -> None:
    with Client(fake.target) as client:
        found = client.compare("letters", "abc", neighbours=["de"])
    assert found.frame_count == 3
    assert [list(each.shape) for each in fake.requests[-1].neighbours] == [[2]]


def test_refusals_come_out(fake: FakeServer) -> None:
    fake.refuse(grpc.StatusCode.INVALID_ARGUMENT, "COMPARISON_OUT_OF_RANGE", field="mates.count")
    fake.refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_COMPARISONS")
    with Client(fake.target) as client:
        with pytest.raises(InvalidInputError) as caught:
            client.compare("sums", FRAMES, conditions=[BatchNeighbours(100)])
        with pytest.raises(ResourceExhaustedError):
            client.compare("sums", FRAMES)
    assert caught.value.facts == {"field": "mates.count"}
