"""Sequences in a store that servers share: any of them answers the next request, bit for bit, and every one once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.sealing.keys_file import new_key, write_keys
from soloist.oip import grpc_service_pb2 as pb
from tests.conftest import SMALL_MODELS
from tests.integration.asking import asking
from tests.integration.infer_requests import infer, step
from tests.redis_process import RedisProcess, running_redis
from tests.servers import RunningServer, running_server

CUTS = (0, 3, 4, 9, 16, 19)


@cache
def frames_of(length: int, features: int = 12) -> Any:
    return np.random.default_rng(length).normal(size=(length, features)).astype(np.float32)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with running_redis(tmp_path_factory.mktemp("redis")) as process:
        yield process


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys"
    write_keys(path, [new_key(seals_from=0)])
    return path


Serve = Callable[..., RunningServer]


@pytest.fixture(scope="module")
def replicas(
    repository: Path, redis: RedisProcess, keys: Path, transport: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[RunningServer]]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("replicas")
        settings: dict[str, Any] = {"transport": transport, "keys_file": keys, "sequence_store": redis.url}
        yield [stack.enter_context(running_server(repository, folder, **settings)) for _ in range(2)]


def ask(server: RunningServer, request: pb.ModelInferRequest) -> pb.ModelInferResponse:
    with asking(server.grpc) as asker:
        return infer(asker, request)[0]


def chunks_of(model: str, sequence: int | str, *, ids: bool = False) -> list[pb.ModelInferRequest]:
    frames, places = frames_of(CUTS[-1]), list(itertools.pairwise(CUTS))
    return [
        step(
            sequence,
            frames[None, at:end],
            model=model,
            start=not at,
            end=end == CUTS[-1],
            name=f"{sequence}-{at}" if ids else "",
        )
        for at, end in places
    ]


def joined(answers: list[pb.ModelInferResponse]) -> dict[str, bytes]:
    """Return the outputs of every frame, and the last answer's other outputs."""
    found: dict[str, bytes] = {}
    for answer in answers:
        for output, raw in zip(answer.outputs, answer.raw_output_contents, strict=True):
            found[output.name] = found.get(output.name, b"") + raw
    return found


@pytest.mark.parametrize("model", SMALL_MODELS)
def test_replicas_that_take_turns_answer_as_one(replicas: list[RunningServer], model: str) -> None:
    undisturbed = [ask(replicas[0], request) for request in chunks_of(model, f"one-{model}")]
    turns = itertools.cycle(replicas)
    shared = [ask(next(turns), request) for request in chunks_of(model, f"shared-{model}")]
    assert joined(shared) == joined(undisturbed)
    ids = {answer.parameters["prediction_id"].string_param for answer in shared}
    assert len(ids) == len(shared)
