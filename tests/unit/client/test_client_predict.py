"""Whole sequences through both clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

import soloist
from soloist import AsyncClient, Client, InvalidInputError, NotFoundError
from tests.unit.client import conftest

if TYPE_CHECKING:
    from tests.unit.client.conftest import FakeServer

FRAMES = np.array([[1, 2], [3, 5], [0.5, 0.25]], np.float32)


def test_answers_a_sequence(fake: FakeServer) -> None:
    with Client(fake.target) as client:
        answer = client.predict("sums", FRAMES)
    assert answer.outputs.tolist() == [4.5, 7.25]
    assert answer.outputs.dtype == np.float32
    assert (answer.index, answer.label, answer.confidence) == (1, "right", 0.75)
    assert (answer.model, answer.version, answer.frame_count, answer.prediction_id) == ("sums", 3, 3, "p1")


async def test_answers_a_sequence_async(fake: FakeServer) -> None:
    async with AsyncClient(fake.target) as client:
        answer = await client.predict("sums", FRAMES, version=3)
    assert answer.outputs.tolist() == [4.5, 7.25]
    assert (answer.label, answer.version, answer.frame_count) == ("right", 3, 3)


def test_gives_every_frame_when_asked(fake: FakeServer) -> None:
    with Client(fake.target) as client:
        answer = client.predict("sums", FRAMES, every_frame=True)
    assert answer.outputs.tolist() == [[1, 2], [4, 7], [4.5, 7.25]]


def test_outputs_may_be_written_to(fake: FakeServer) -> None:
    with Client(fake.target) as client:
        outputs = client.predict("sums", FRAMES).outputs
    outputs += 1
    assert outputs.tolist() == [5.5, 8.25]


def test_float32_needs_no_look_at_the_model(fake: FakeServer) -> None:
    with Client(fake.target) as client:
        client.predict("sums", FRAMES)
    assert [type(request).__name__ for request in fake.requests] == ["PredictRequest"]


def test_looks_at_a_model_once(fake: FakeServer) -> None:
    with Client(fake.target) as client:
        first = client.predict("letters", "abc")
        client.predict("letters", "de")
    assert first.outputs.tolist() == [1, 2]
    names = [type(request).__name__ for request in fake.requests]
    assert names == ["GetModelRequest", "PredictRequest", "PredictRequest"]


async def test_takes_text_async(fake: FakeServer) -> None:
    async with AsyncClient(fake.target) as client:
        answer = await client.predict("letters", "é")
    assert answer.frame_count == 2  # a token a byte


def test_refused_frames_make_it_look_again(fake: FakeServer) -> None:
    with Client(fake.target) as client:
        client.predict("letters", "abc")
        with pytest.raises(InvalidInputError) as caught:
            client.predict("letters", FRAMES)
        client.predict("letters", "abc")
    assert caught.value.reason == "DATA_TYPE_MISMATCH"
    assert sum(type(request).__name__ == "GetModelRequest" for request in fake.requests) == 2


def test_float64_is_not_rounded_in_silence(fake: FakeServer) -> None:
    with Client(fake.target) as client, pytest.raises(InvalidInputError) as caught:
        client.predict("sums", FRAMES.astype(np.float64))
    assert caught.value.reason == "LOSSY_CONVERSION"
    assert caught.value.facts == {"given": "float64", "expected": "float32"}
    assert "astype(np.float32)" in str(caught.value)


def test_tells_what_is_known_of_a_model(fake: FakeServer) -> None:
    with Client(fake.target) as client:
        info = client.model("letters")
        broken = client.model("broken")
    assert info.status.ready
    assert info.manifest is not None
    assert list(info.manifest.labels) == ["even", "odd"]
    assert (broken.manifest, broken.status.reason) == (None, "model.onnx is truncated")


async def test_lists_models_async(fake: FakeServer) -> None:
    async with AsyncClient(fake.target) as client:
        found = await client.models()
        with pytest.raises(NotFoundError):
            await client.model("sums", 9)
    assert [(status.name, status.version, status.ready) for status in found] == [
        ("broken", 1, False),
        ("letters", 1, True),
        ("sums", 3, True),
    ]


def test_lists_models(fake: FakeServer) -> None:
    with Client(fake.target) as client:
        found = client.models()
    assert [str(status.state) for status in found] == ["unavailable", "ready", "ready"]


def test_exports_what_it_says() -> None:
    assert {name for name in soloist.__all__ if getattr(soloist, name) is None} == set()
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = soloist.Nothing


def test_a_model_that_takes_text_by_now_is_looked_at_again(fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client(fake.target) as client:
        client.predict("sums", [[1, 2]])
        monkeypatch.setitem(conftest.MODELS, "sums", conftest.LETTERS)
        with pytest.raises(InvalidInputError):
            client.predict("sums", "abc")
        assert client.predict("sums", "abc").outputs.tolist() == [1, 2]


def test_a_manifest_that_could_not_be_read_is_asked_for_again(
    fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client(fake.target) as client:
        assert client.model("broken").manifest is None
        monkeypatch.setitem(conftest.MODELS, "broken", conftest.LETTERS)
        assert client.predict("broken", "abc").outputs.tolist() == [1, 2]


async def test_a_model_that_takes_text_by_now_is_looked_at_again_async(
    fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncClient(fake.target) as client:
        await client.predict("sums", [[1, 2]])
        monkeypatch.setitem(conftest.MODELS, "sums", conftest.LETTERS)
        with pytest.raises(InvalidInputError):
            await client.predict("sums", "abc")
        assert (await client.predict("sums", "abc")).outputs.tolist() == [1, 2]


def test_auxiliary_inputs_that_make_no_array_are_refused(fake: FakeServer) -> None:
    with Client(fake.target) as client, pytest.raises(InvalidInputError) as caught:
        client.predict("sums", FRAMES, inputs={"mask": [[1], [1, 2]]})
    assert caught.value.reason == "NOT_NUMERIC"


MASKED = np.ma.MaskedArray(FRAMES, FRAMES == 5)


def test_masked_frames_are_refused_by_every_call(fake: FakeServer) -> None:
    with Client(fake.target) as client:
        with client.stream("sums") as stream, pytest.raises(InvalidInputError, match="MASKED_ELEMENTS"):
            stream.send(MASKED)
        calls: list[Callable[[], object]] = [
            lambda: client.predict("sums", MASKED),
            lambda: client.predict("sums", FRAMES, inputs={"gain": MASKED}),
            lambda: list(client.stream_chunks("sums", [MASKED])),
            lambda: client.compare("sums", MASKED),
            lambda: client.compare("sums", FRAMES, neighbours=[MASKED]),
        ]
        for call in calls:
            with pytest.raises(InvalidInputError, match="MASKED_ELEMENTS"):
                call()
    assert fake.requests == []


async def test_masked_frames_are_refused_async(fake: FakeServer) -> None:
    async with AsyncClient(fake.target) as client:
        with pytest.raises(InvalidInputError, match="MASKED_ELEMENTS"):
            await client.predict("sums", MASKED)
        with pytest.raises(InvalidInputError, match="MASKED_ELEMENTS"):
            _ = [each async for each in client.stream_chunks("sums", [MASKED])]
