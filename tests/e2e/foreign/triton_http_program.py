"""Owns what a user of tritonclient's HTTP client writes: runs in an environment of its own, knows nothing of Soloist.

usage: triton_http_program.py TARGET MODEL SEQUENCES.npz ANSWERS.npz. Answers are arrays named <way>-<index>.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

CHUNK = 3
Answers = dict[str, Any]


def inputs_of(module: Any, frames: Any, *, binary: bool = True) -> list[Any]:
    tensor = module.InferInput("frames", [1, *frames.shape], "FP32")
    tensor.set_data_from_numpy(frames[None], binary_data=binary)
    return [tensor]


def outputs_of(module: Any, *, binary: bool) -> list[Any]:
    return [module.InferRequestedOutput("outputs", binary_data=binary)]


def about(client: Any, model: str) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(model)
    assert not client.is_model_ready("nobody")
    assert client.get_server_metadata()["name"] == "soloist"
    assert [tensor["name"] for tensor in client.get_model_metadata(model)["inputs"]] == ["frames"]
    assert client.get_model_config(model)["sequence_batching"]["state"]
    assert model in [entry["name"] for entry in client.get_model_repository_index()]


def check_refusal(error: InferenceServerException, status: str, words: str) -> None:
    assert error.status() == status, error.status()
    assert words in error.message(), error.message()


def refused(client: Any, model: str, frames: Any) -> None:
    for asked, status, words in (
        ("nobody", "404", "there is no model 'nobody'"),
        (model, "400", "has shape"),
    ):
        try:
            client.infer(asked, inputs_of(triton, frames[:, :5]))
        except InferenceServerException as error:
            check_refusal(error, status, words)
        else:
            raise AssertionError(f"{asked} answered")


def alone(client: Any, model: str, sequences: list[Any]) -> Answers:
    answers: Answers = {}
    for index, frames in enumerate(sequences):
        for way, binary in (("json", False), ("binary", True)):
            result = client.infer(
                model, inputs_of(triton, frames, binary=binary), outputs=outputs_of(triton, binary=binary)
            )
            answers[f"{way}-{index}"] = result.as_numpy("outputs")
        for way in ("gzip", "deflate"):
            result = client.infer(
                model,
                inputs_of(triton, frames),
                request_id=str(index),
                request_compression_algorithm=way,
                response_compression_algorithm=way,
            )
            assert result.get_response()["id"] == str(index)
            answers[f"{way}-{index}"] = result.as_numpy("outputs")
    return answers


def side_by_side(client: Any, model: str, sequences: list[Any]) -> Answers:
    waiting = [client.async_infer(model, inputs_of(triton, frames)) for frames in sequences]
    return {f"side_by_side-{index}": each.get_result().as_numpy("outputs") for index, each in enumerate(waiting)}


def in_chunks(client: Any, model: str, sequences: list[Any]) -> Answers:
    answers: Answers = {}
    for index, frames in enumerate(sequences):
        firsts = range(0, len(frames), CHUNK)
        parts = [
            client.infer(
                model,
                inputs_of(triton, frames[first : first + CHUNK]),
                sequence_id=4000 + index,
                sequence_start=first == 0,
                sequence_end=first == firsts[-1],
            ).as_numpy("outputs")
            for first in firsts
        ]
        answers[f"in_chunks-{index}"] = np.concatenate(parts, axis=1)
    return answers


async def with_asyncio(target: str, model: str, sequences: list[Any]) -> Answers:
    async with triton_aio.InferenceServerClient(target) as client:
        assert await client.is_model_ready(model)
        results = await asyncio.gather(*(client.infer(model, inputs_of(triton_aio, frames)) for frames in sequences))
    return {f"aio-{index}": result.as_numpy("outputs") for index, result in enumerate(results)}


def operate(client: Any, model: str) -> None:
    (stats,) = client.get_inference_statistics(model)["model_stats"]
    assert stats["inference_count"] >= stats["execution_count"] > 0
    client.unload_model(model)
    assert not client.is_model_ready(model)
    client.load_model(model)
    assert client.is_model_ready(model)


def main(target: str, model: str, sequences_file: str, answers_file: str) -> None:
    with np.load(sequences_file) as loaded:
        sequences = [loaded[name] for name in sorted(loaded.files, key=int)]
    with triton.InferenceServerClient(target, concurrency=4) as client:
        about(client, model)
        refused(client, model, sequences[0])
        answers = alone(client, model, sequences)
        answers |= side_by_side(client, model, sequences)
        answers |= in_chunks(client, model, sequences)
        answers |= asyncio.run(with_asyncio(target, model, sequences))
        operate(client, model)
    np.savez(answers_file, **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
