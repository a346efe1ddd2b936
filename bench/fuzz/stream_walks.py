"""Streams in any order: opened twice, cut, repeated, with gaps, half closed, cancelled, and given no time at all."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from bench.fuzz import edge_values, mutated_messages, valid_requests
from bench.fuzz.malformed_messages import malformed
from bench.fuzz.script import PATIENCE_SECONDS, Script, Step
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from bench.fuzz.methods import Method
    from bench.fuzz.server_facts import ModelFacts, ServerFacts
    from soloist.oip.grpc_service_pb2 import ModelInferRequest

_CLOSE = pb.StreamRequest(close=pb.Close())
_MOST_STEPS = 12
# The same few for all callers, so that they meet.
_SEQUENCES: tuple[int | str, ...] = (*range(1, 40), "a", "b", "💥", "1", -1, 2**63 - 1, -(2**63))
_FIRST_FRAMES = (0, 0, 0, 1, 2, 3, 4, 5, 6, -1, 2**31, 2**63 - 1, -(2**63))
_HURRIED_SECONDS = (1e-6, 1e-5, 1e-3, 0.01, 0.05)


def walk(method: Method, facts: ServerFacts, rng: Random) -> Script:
    """Draw one call to a method: of a stream a walk, of others the wrong number of messages, or too little time."""
    steps: list[Step] = []
    match method.name:
        case "Stream":
            messages = _stream(facts, rng)
        case "ModelStreamInfer" | "ModelInfer":
            messages = _sequences(facts, rng)
        case _:
            messages = (
                mutated_messages.message(method, facts, rng).SerializeToString()
                for _ in range(rng.randint(1, _MOST_STEPS))
            )
    few = not method.takes_stream
    for data in messages:
        steps.append(Step(what="send", data=malformed(data, rng) if rng.random() < 0.01 else data))
        steps += _between(rng)
        # A call that never ends by itself would never take the second one, if that is large.
        if few and (method.name == "Watch" or rng.random() < 0.9):
            break
    if few and rng.random() < 0.05:
        steps = []
    return Script(kind="walks", path=method.path, steps=(*steps, *_ending(method, rng)), timeout_seconds=_time(rng))


def _between(rng: Random) -> list[Step]:
    draw = rng.random()
    if draw < 0.45:
        return [Step(what="await")]
    if draw < 0.5:
        return [Step(what="rest", milliseconds=rng.choice((0.1, 1.0, 20.0)))]
    return [Step(what="cancel")] if draw < 0.53 else []


def _ending(method: Method, rng: Random) -> list[Step]:
    if method.name == "Watch":  # it never ends by itself
        return [Step(what="end"), Step(what="await"), Step(what="cancel")]
    return [rng.choice((Step(what="end"), Step(what="end"), Step(what="end"), Step(what="cancel")))]


def _time(rng: Random) -> float:
    return rng.choice(_HURRIED_SECONDS) if rng.random() < 0.08 else PATIENCE_SECONDS


def _stream(facts: ServerFacts, rng: Random) -> Iterator[bytes]:
    """Return messages of a stream that is mostly in order."""
    model, at = facts.draw(rng), 0
    if rng.random() < 0.95:
        yield valid_requests.opening(model, rng).SerializeToString()
    for _ in range(rng.randint(0, _MOST_STEPS)):
        message, at = _next(model, at, facts, rng)
        yield message.SerializeToString()
    if rng.random() < 0.7:
        yield _CLOSE.SerializeToString()
        if rng.random() < 0.1:
            yield _next(model, at, facts, rng)[0].SerializeToString()


def _next(model: ModelFacts, at: int, facts: ServerFacts, rng: Random) -> tuple[pb.StreamRequest, int]:
    draw, frames = rng.random(), rng.randint(1, 5)
    if draw < 0.8:
        return valid_requests.chunk(model, at, rng, frames), at + frames
    if draw < 0.9:
        place = rng.choice((0, at - 1, at + 1, max(at - frames, 0), -1, 2**63 - 1, -(2**63)))
        return valid_requests.chunk(model, place, rng, frames), at
    if draw < 0.93:
        return rng.choice((_CLOSE, valid_requests.opening(facts.draw(rng), rng), pb.StreamRequest())), at
    message = valid_requests.chunk(model, at, rng, frames)
    mutated_messages.change(message, facts, rng)
    return message, at


def _sequences(facts: ServerFacts, rng: Random) -> Iterator[bytes]:
    """Return requests of a few sequences that others may use too, by turns."""
    model = facts.draw(rng)
    ids = rng.sample(_SEQUENCES, 2)
    for index in range(rng.randint(1, _MOST_STEPS)):
        message = valid_requests.infer(model if rng.random() < 0.95 else facts.draw(rng), rng)
        _place(message, rng.choice(ids), rng, first=index < 2)
        if rng.random() < 0.08:
            mutated_messages.change(message, facts, rng)
        data = message.SerializeToString()
        yield data
        if rng.random() < 0.1:  # whoever got no answer sends it again
            yield data


def _place(message: ModelInferRequest, sequence: int | str, rng: Random, *, first: bool) -> None:
    parameters = message.parameters
    if isinstance(sequence, int):
        parameters["sequence_id"].int64_param = sequence
    else:
        parameters["sequence_id"].string_param = sequence
    parameters["sequence_start"].bool_param = rng.random() < (0.9 if first else 0.05)
    parameters["sequence_end"].bool_param = rng.random() < 0.3
    draw = rng.random()
    if draw < 0.3:
        parameters["sequence_first_frame"].int64_param = rng.choice(_FIRST_FRAMES)
    elif draw < 0.33:
        edge_values.fill_parameter(parameters["sequence_first_frame"], rng)
    if rng.random() < 0.05:
        parameters["timeout"].int64_param = rng.choice((0, 1, 1_000, 2**63 - 1, -1))
