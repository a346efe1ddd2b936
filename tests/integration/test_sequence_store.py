"""Sequences in a store that servers share: any of them answers the next request, bit for bit, and every one once."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.sealing.keys_file import new_key, write_keys
from soloist import SoloistError
from soloist.oip import grpc_service_pb2 as pb
from tests.conftest import SMALL_MODELS
from tests.graphs import Sums
from tests.integration.asking import asking
from tests.integration.infer_requests import converse, infer, step
from tests.integration.rest_requests import post
from tests.integration.stored import PATIENT, ask, chunk, last_of, over_rest, refused
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


@pytest.fixture(scope="module")
def replicas(
    repository: Path, redis: RedisProcess, keys: Path, transport: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[RunningServer]]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("replicas")
        shutil.copytree(repository, folder / "repository")
        Sums(name="sums", features=1).write(folder / "repository")
        settings: dict[str, Any] = {"transport": transport, "keys_file": keys, "sequence_store": redis.url, **PATIENT}
        yield [stack.enter_context(running_server(folder / "repository", folder, **settings)) for _ in range(2)]


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


def test_both_transports_and_streams_share_a_sequence(replicas: list[RunningServer]) -> None:
    first, second = replicas
    with asking(first.grpc) as asker:
        told = converse(asker, chunk(1, start=True), chunk(2), chunk(3))
    assert [last_of(each.infer_response) for each in told] == [1, 3, 6]
    assert over_rest(post(second.http, chunk(4), binary=False)) == 10
    assert last_of(ask(second, chunk(5, end=True))) == 15
    with refused("SEQUENCE_NOT_FOUND"):
        ask(second, chunk(6))


def test_servers_that_race_for_one_step_answer_it_once(replicas: list[RunningServer]) -> None:
    ask(replicas[0], chunk(0, start=True, sequence="raced"))

    def race(server: RunningServer) -> int:
        answered = 0
        with asking(server.grpc) as asker:
            for _ in range(40):
                with suppress(SoloistError):
                    infer(asker, chunk(1, sequence="raced"))
                    answered += 1
        return answered

    with ThreadPoolExecutor(2) as pool:
        answered = sum(pool.map(race, replicas))
    # Whatever was answered is in the state, and nothing else.
    assert last_of(ask(replicas[0], chunk(0, sequence="raced"))) == answered


def test_a_client_that_leaves_takes_no_answer_of_another(replicas: list[RunningServer]) -> None:
    server = replicas[0]
    with asking(server.grpc) as asker:
        for sequence in range(8):
            infer(asker, chunk(sequence, start=True, sequence=str(sequence)))
        call: Any = asker.channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=pb.ModelInferResponse.FromString,
        )
        for attempt in range(40):
            call.future(chunk(0, sequence=str(attempt % 8)), timeout=0.0005 * (attempt % 5 + 1)).exception()
        found = [last_of(infer(asker, chunk(0, sequence=str(sequence)))[0]) for sequence in range(8)]
    assert found == list(range(8))
