"""What a stream promises beyond its answers: a chunk sent twice counts once, and sizes are bounded at two places."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from soloist import Client, SoloistError
from tests.integration.asking import CLOSE, Asker, chunk, ones, opening, tensor
from tests.integration.strict import MAX_MESSAGE_BYTES, ON_BOTH
from tests.servers import RunningServer, running_server


@ON_BOTH
def test_a_repeated_chunk_gets_the_same_answer_and_counts_once(strict: RunningServer) -> None:
    rng = np.random.default_rng(3)
    first, second, third = rng.normal(size=(3, 4, 2)).astype(np.float32)
    with Client(strict.grpc) as client:
        with client.stream("sums", every_frame=True) as undisturbed:
            expected = [undisturbed.send(chunk).outputs for chunk in (first, second, third)]
        with client.stream("sums", every_frame=True) as stream:
            stream.send(first)
            answer = stream.send(second)
            repeated = [stream.send(second, first_frame=4) for _ in range(3)]
            last = stream.send(third)
            assert stream.close() == 12
    for again in repeated:
        assert again.prediction_id == answer.prediction_id
        assert again.outputs.tobytes() == answer.outputs.tobytes() == expected[1].tobytes()
    assert last.outputs.tobytes() == expected[2].tobytes()


@ON_BOTH
def test_a_repeated_chunk_is_no_second_prediction(strict: RunningServer) -> None:
    before = strict.total("soloist_predictions_total", model="sums")
    with Client(strict.grpc) as client, client.stream("sums") as stream:
        stream.send([[1.0, 2.0]])
        stream.send([[1.0, 2.0]], first_frame=0)
    assert strict.total("soloist_predictions_total", model="sums") == before + 1


@ON_BOTH
def test_a_stream_without_chunks_is_complete(asker: Asker) -> None:
    responses, code = asker.converse(opening(), CLOSE)
    assert [response.WhichOneof("message") for response in responses] == ["opened", "closed"]
    assert responses[1].closed.frame_count == 0
    assert code.name == "OK"


@ON_BOTH
def test_a_message_beyond_what_the_transport_reads_is_refused_unread(asker: Asker) -> None:
    huge = tensor([[1, 2]], data=bytes(3 * MAX_MESSAGE_BYTES))
    for ask in (lambda: asker.predict(huge), lambda: asker.converse(opening(), chunk(0, huge))):
        with pytest.raises(SoloistError) as caught:
            ask()
        assert caught.value.code.name == "RESOURCE_EXHAUSTED"
    assert asker.predict(ones(3)).frame_count == 3


@pytest.fixture
def permissive(strict: RunningServer, tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(strict.repository, tmp_path, allow_non_finite=True) as server:
        yield server


def test_an_operator_may_let_nan_and_infinity_through(permissive: RunningServer) -> None:
    frames = np.array([[1, 2], [np.nan, np.inf]], np.float32)
    with Client(permissive.grpc) as client:
        whole = client.predict("sums", frames, every_frame=True).outputs
        with client.stream("sums") as stream:
            streamed = stream.send(frames).outputs
    np.testing.assert_array_equal(whole, [[1, 2], [np.nan, np.inf]])
    np.testing.assert_array_equal(streamed, [np.nan, np.inf])
