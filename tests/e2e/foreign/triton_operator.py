"""Owns what an operator who uses tritonclient writes: runs in an environment of its own, and knows nothing of Soloist.

usage: triton_operator.py TARGET MODEL MODEL_FOR_ASYNCIO FRAMES.npy ANSWERS.npz. No model is known to the server yet.
Answers are named <way>-<first or again>.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

Answers = dict[str, Any]


def inputs_of(module: Any, frames: Any) -> list[Any]:
    tensor = module.InferInput("frames", [1, *frames.shape], "FP32")
    tensor.set_data_from_numpy(frames[None])
    return [tensor]


def state_in(index: Any, model: str) -> str:
    """Give "" where it isn't listed."""
    return next((entry.state for entry in index.models if entry.name == model), "")


def check_refusal(error: InferenceServerException) -> None:
    assert error.status() == "StatusCode.FAILED_PRECONDITION", error.status()
    assert "unloaded by an operator" in error.message(), error.message()


def blocking(client: Any, model: str, frames: Any) -> Answers:
    assert state_in(client.get_model_repository_index(), model) == ""
    client.load_model(model)
    assert state_in(client.get_model_repository_index(), model) == "READY"
    answers = {"blocking-first": client.infer(model, inputs_of(triton, frames)).as_numpy("outputs")}
    client.unload_model(model)
    assert state_in(client.get_model_repository_index(), model) == "UNAVAILABLE"
    assert not client.is_model_ready(model)
    try:
        client.infer(model, inputs_of(triton, frames))
    except InferenceServerException as error:
        check_refusal(error)
    else:
        raise AssertionError("answered by a model that is not loaded")
    client.load_model(model)
    assert client.is_model_ready(model)
    return answers | {"blocking-again": client.infer(model, inputs_of(triton, frames)).as_numpy("outputs")}


async def with_asyncio(target: str, model: str, frames: Any) -> Answers:
    async with triton_aio.InferenceServerClient(target) as client:

        async def outputs() -> Any:
            return (await client.infer(model, inputs_of(triton_aio, frames))).as_numpy("outputs")

        async def state() -> str:
            return state_in(await client.get_model_repository_index(), model)

        assert await state() == ""
        await client.load_model(model)
        assert await state() == "READY"
        answers = {"asyncio-first": await outputs()}
        await client.unload_model(model)
        assert await state() == "UNAVAILABLE"
        assert not await client.is_model_ready(model)
        try:
            await outputs()
        except InferenceServerException as error:
            check_refusal(error)
        else:
            raise AssertionError("answered by a model that is not loaded")
        await client.load_model(model)
        assert await client.is_model_ready(model)
        return answers | {"asyncio-again": await outputs()}


def main(target: str, model: str, model_for_asyncio: str, frames_file: str, answers_file: str) -> None:
    frames = np.load(frames_file)
    with triton.InferenceServerClient(target) as client:
        answers = blocking(client, model, frames)
    answers |= asyncio.run(with_asyncio(target, model_for_asyncio, frames))
    np.savez(answers_file, **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
