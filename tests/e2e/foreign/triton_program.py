"""Owns what a user of tritonclient writes: runs in an environment of its own, and knows nothing of Soloist.

usage: triton_program.py TARGET MODEL SEQUENCES.npz ANSWERS.npz. Answers are arrays named <way>-<index>.
"""

from __future__ import annotations

import asyncio
import queue
import sys
from typing import Any

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

CHUNK = 3
Answers = dict[str, Any]


def inputs_of(module: Any, frames: Any) -> list[Any]:
    tensor = module.InferInput("frames", [1, *frames.shape], "FP32")
    tensor.set_data_from_numpy(frames[None])
    return [tensor]


def chunks_of(frames: Any) -> list[Any]:
    return [frames[first : first + CHUNK] for first in range(0, len(frames), CHUNK)]


def about(client: Any, model: str) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(model)
    assert not client.is_model_ready("nobody")
    assert client.get_server_metadata().name == "soloist"
    assert [tensor.name for tensor in client.get_model_metadata(model).inputs] == ["frames"]
    config = client.get_model_config(model).config
    assert config.sequence_batching.state
    assert model in [entry.name for entry in client.get_model_repository_index().models]


def unary(client: Any, model: str, sequences: list[Any]) -> Answers:
    return {
        f"unary-{index}": client.infer(model, inputs_of(triton, frames), request_id=str(index)).as_numpy("outputs")
        for index, frames in enumerate(sequences)
    }


def packed(client: Any, model: str, sequences: list[Any]) -> Answers:
    """Compress requests, as some servers take them; nothing where this one doesn't."""
    answers: Answers = {}
    for index, frames in enumerate(sequences):
        for how in ("gzip", "deflate"):
            try:
                answer = client.infer(model, inputs_of(triton, frames), compression_algorithm=how)
            except InferenceServerException as error:
                if "UNIMPLEMENTED" not in str(error.status()):
                    raise
            else:
                answers[f"{how}-{index}"] = answer.as_numpy("outputs")
    return answers


def unary_sequences(client: Any, model: str, sequences: list[Any]) -> Answers:
    answers: Answers = {}
    for index, frames in enumerate(sequences):
        chunks = chunks_of(frames)
        parts = [
            client.infer(
                model,
                inputs_of(triton, chunk),
                sequence_id=1000 + index,
                sequence_start=at == 0,
                sequence_end=at == len(chunks) - 1,
            ).as_numpy("outputs")
            for at, chunk in enumerate(chunks)
        ]
        answers[f"unary_sequence-{index}"] = np.concatenate(parts, axis=1)
    return answers


def rows(client: Any, model: str, sequences: list[Any]) -> Answers:
    longest = max(len(frames) for frames in sequences)
    padded = np.full((len(sequences), longest, sequences[0].shape[1]), np.nan, np.float32)
    for row, frames in zip(padded, sequences, strict=True):
        row[: len(frames)] = frames
    tensor = triton.InferInput("frames", list(padded.shape), "FP32")
    tensor.set_data_from_numpy(padded)
    length = triton.InferInput("length", [len(sequences), 1], "INT64")
    length.set_data_from_numpy(np.array([[len(frames)] for frames in sequences], np.int64))
    outputs = client.infer(model, [tensor, length]).as_numpy("outputs")
    return {f"row-{index}": outputs[index : index + 1, : len(frames)] for index, frames in enumerate(sequences)}


def streamed(client: Any, model: str, sequences: list[Any]) -> Answers:
    """All sequences on one stream, one chunk of each in turn; ids are numbers and texts by turns."""
    heard: queue.Queue[Any] = queue.Queue()
    client.start_stream(callback=lambda result, error: heard.put((result, error)))
    count = 0
    for at in range(max(len(chunks_of(frames)) for frames in sequences)):
        for index, frames in enumerate(sequences):
            chunks = chunks_of(frames)
            if at < len(chunks):
                client.async_stream_infer(
                    model,
                    inputs_of(triton, chunks[at]),
                    request_id=f"{index}-{at}",
                    sequence_id=f"text-{index}" if index % 2 else 2000 + index,
                    sequence_start=at == 0,
                    sequence_end=at == len(chunks) - 1,
                )
                count += 1
    client.async_stream_infer(model, inputs_of(triton, sequences[0]), sequence_id=99)
    parts: dict[int, dict[int, Any]] = {index: {} for index in range(len(sequences))}
    errors = []
    for _ in range(count + 1):
        result, error = heard.get(timeout=30)
        if error is not None:
            errors.append(str(error))
            continue
        index, at = map(int, result.get_response().id.split("-"))
        assert at == len(parts[index]), "out of order"
        assert result.get_response().parameters["triton_final_response"].bool_param
        parts[index][at] = result.as_numpy("outputs")
    client.stop_stream()
    assert len(errors) == 1, errors
    assert "SEQUENCE_NOT_FOUND" in errors[0]
    return {f"stream-{index}": np.concatenate(list(each.values()), axis=1) for index, each in parts.items()}


def until_final(client: Any, model: str, sequences: list[Any]) -> Answers:
    """Wait for each request's last response before the next is sent, as programs do for models of several."""
    heard: queue.Queue[Any] = queue.Queue()
    client.start_stream(callback=lambda result, error: heard.put((result, error)))
    answers: Answers = {}
    for index, frames in enumerate(sequences):
        client.async_stream_infer(model, inputs_of(triton, frames), enable_empty_final_response=True)
        found, final = [], False
        while not final:
            result, error = heard.get(timeout=30)
            assert error is None, error
            final = result.get_response().parameters["triton_final_response"].bool_param
            if result.as_numpy("outputs") is not None:
                found.append(result.as_numpy("outputs"))
        (answers[f"until_final-{index}"],) = found
    client.stop_stream()
    assert heard.empty()
    return answers


async def with_asyncio(target: str, model: str, sequences: list[Any]) -> Answers:
    async with triton_aio.InferenceServerClient(target) as client:

        async def requests() -> Any:
            for index, frames in enumerate(sequences):
                chunks = chunks_of(frames)
                for at, chunk in enumerate(chunks):
                    yield {
                        "model_name": model,
                        "inputs": inputs_of(triton_aio, chunk),
                        "request_id": f"{index}",
                        "sequence_id": 3000 + index,
                        "sequence_start": at == 0,
                        "sequence_end": at == len(chunks) - 1,
                    }

        results = await asyncio.gather(*(client.infer(model, inputs_of(triton_aio, frames)) for frames in sequences))
        answers = {f"aio-{index}": result.as_numpy("outputs") for index, result in enumerate(results)}
        parts: dict[str, list[Any]] = {}
        total = sum(len(chunks_of(frames)) for frames in sequences)
        async for result, error in client.stream_infer(requests()):
            assert error is None, error
            parts.setdefault(result.get_response().id, []).append(result.as_numpy("outputs"))
            total -= 1
            if not total:
                break
        return answers | {f"aio_stream-{index}": np.concatenate(each, axis=1) for index, each in parts.items()}


def counted(client: Any, model: str) -> None:
    (stats,) = client.get_inference_statistics(model).model_stats
    assert stats.inference_count >= stats.execution_count > 0
    assert stats.inference_stats.success.count > 0
    assert stats.inference_stats.compute_infer.ns > 0


def main(target: str, model: str, sequences_file: str, answers_file: str) -> None:
    with np.load(sequences_file) as loaded:
        sequences = [loaded[name] for name in sorted(loaded.files, key=int)]
    with triton.InferenceServerClient(target) as client:
        about(client, model)
        answers = unary(client, model, sequences) | packed(client, model, sequences)
        answers |= unary_sequences(client, model, sequences)
        answers |= rows(client, model, sequences)
        answers |= streamed(client, model, sequences)
        answers |= until_final(client, model, sequences)
        answers |= asyncio.run(with_asyncio(target, model, sequences))
        counted(client, model)
    np.savez(answers_file, **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
