"""Sequences of the Open Inference Protocol through the real server: in order, over calls and streams, idle, cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest

from soloist import SoloistError
from soloist.oip import grpc_service_pb2 as pb
from soloist.oip import grpc_service_pb2_grpc
from tests.graphs import Sums
from tests.integration.asking import Asker, asking
from tests.integration.gated import GatedServer
from tests.integration.infer_requests import ONES, converse, infer, outputs_of, step, stub_of
from tests.servables import POISON
from tests.servers import RunningServer, eventually, running_server


def _unary(asker: Asker, *requests: pb.ModelInferRequest) -> list[pb.ModelInferResponse]:
    return infer(asker, *requests)


def _streamed(asker: Asker, *requests: pb.ModelInferRequest) -> list[pb.ModelInferResponse]:
    return [response.infer_response for response in converse(asker, *requests)]


@pytest.mark.parametrize("send", [_unary, _streamed])
@pytest.mark.parametrize("sequence", [42, "forty-two"])
def test_a_sequence_keeps_its_state_from_request_to_request(
    fresh_asker: Asker, send: Callable[..., list[pb.ModelInferResponse]], sequence: int | str
) -> None:
    responses = send(
        fresh_asker,
        step(sequence, start=True),
        step(sequence),
        step(sequence, start=True),  # a sequence that is open begins again
        step(sequence, end=True),
        step(sequence, start=True, end=True),
    )
    reported = [outputs_of(response)["outputs"][0, -1, 0] for response in responses]
    assert reported == [3, 6, 3, 6, 3]
    assert all(response.parameters["sequence_id"].WhichOneof("parameter_choice") for response in responses)


def test_a_sequence_may_go_from_unary_to_a_stream_and_outlive_it(fresh_asker: Asker) -> None:
    infer(fresh_asker, step("roaming", start=True))
    converse(fresh_asker, step("roaming"))
    (last,) = infer(fresh_asker, step("roaming", end=True))
    assert outputs_of(last)["outputs"][0, -1, 0] == 9


def test_sequences_interleave_on_one_stream_and_each_is_answered_in_order(fresh_asker: Asker) -> None:
    count, steps = 20, 15
    requests = [
        step(
            sequence if sequence % 2 else f"text {sequence}",
            np.full((1, 1 + sequence % 3, 2), sequence, np.float32),
            start=at == 0,
            end=at == steps - 1,
            name=f"{sequence}/{at}",
        )
        for at in range(steps)
        for sequence in range(1, count + 1)
    ]
    heard: dict[int, list[int]] = {}
    for response in converse(fresh_asker, *requests):
        assert not response.error_message
        sequence, at = map(int, response.infer_response.id.split("/"))
        heard.setdefault(sequence, []).append(at)
        last = outputs_of(response.infer_response)["outputs"][0, -1, 0]
        assert last == sequence * (1 + sequence % 3) * (at + 1)
    assert heard == {sequence: list(range(steps)) for sequence in range(1, count + 1)}


def test_a_bad_step_leaves_its_sequence_as_it_was_and_a_bad_start_leaves_none(fresh_asker: Asker) -> None:
    def bad(**place: bool) -> pb.ModelInferRequest:
        return step(8, ONES[:, :0], **place)

    responses = converse(
        fresh_asker, step(8, start=True), bad(), bad(end=True), step(8), bad(start=True), step(8, end=True)
    )
    reasons = [response.error_message.partition(":")[0] for response in responses]
    assert reasons == ["", "EMPTY_SEQUENCE", "EMPTY_SEQUENCE", "", "EMPTY_SEQUENCE", "SEQUENCE_NOT_FOUND"]
    assert outputs_of(responses[3].infer_response)["outputs"][0, -1, 0] == 6


def test_two_requests_of_one_sequence_at_once_run_in_order_and_others_need_not_wait(
    gated: GatedServer, gated_asker: Asker
) -> None:
    infer(gated_asker, step(1, _one(1), start=True, model="gated"))
    gated.runner.await_run()
    gated.await_arrivals(1)
    gated.runner.gate.clear()
    stub = stub_of(gated_asker)
    first = stub.ModelInfer.future(step(1, _one(2), model="gated"), timeout=30)
    gated.runner.await_run()
    second = stub.ModelInfer.future(step(1, _one(4), model="gated", end=True), timeout=30)
    other = stub.ModelInfer.future(step(2, _one(7), start=True, end=True, model="gated"), timeout=30)
    gated.await_arrivals(2)  # the first, and the other: the second isn't queued
    gated.runner.gate.set()
    assert [outputs_of(each.result())["outputs"].item() for each in (first, second, other)] == [3, 7, 7]


def test_a_run_that_fails_is_told_in_band_and_leaves_its_sequence_as_it_was(gated_asker: Asker) -> None:
    steps = (step(1, _one(1), start=True), step(1, _one(POISON)), step(1, _one(4), end=True))
    for each in steps:
        each.model_name = "gated"
    begun, failed, ended = converse(gated_asker, *steps)
    assert failed.error_message == "INTERNAL: internal error"
    assert outputs_of(begun.infer_response)["outputs"].item() == 1
    assert outputs_of(ended.infer_response)["outputs"].item() == 5


def _one(value: float) -> Any:
    return np.full((1, 1, 1), value, np.float32)


def test_an_idle_sequence_is_ended_and_a_late_request_is_told_why(
    tmp_path_factory: pytest.TempPathFactory, transport: str
) -> None:
    folder = tmp_path_factory.mktemp("idle")
    Sums(name="sums").write(folder / "repository")
    with (
        running_server(folder / "repository", folder, session_idle_seconds=0.1, transport=transport) as server,
        asking(server.grpc) as asker,
    ):
        infer(asker, step(1, start=True))
        assert eventually(lambda: server.total("soloist_sessions_ended_total", reason="idle") == 1)
        assert server.total("soloist_sessions_open") == 0
        with pytest.raises(SoloistError) as caught:
            infer(asker, step(1))
        assert (caught.value.reason, caught.value.facts["idle_seconds"]) == ("SEQUENCE_EVICTED", "0.1")


async def test_a_stream_that_is_cut_leaves_its_sequences_to_be_taken_up(fresh: RunningServer) -> None:
    async with grpc.aio.insecure_channel(fresh.grpc) as channel:
        stub: Any = grpc_service_pb2_grpc.GRPCInferenceServiceStub(channel)  # its types know only the blocking one
        call = stub.ModelStreamInfer()
        await call.write(step("cut", start=True))
        assert not (await call.read()).error_message
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.read()
        response = await stub.ModelInfer(step("cut", end=True))
        assert outputs_of(response)["outputs"][0, -1, 0] == 6
