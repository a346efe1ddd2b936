"""The Open Inference Protocol through the real server: answers, sequences, streams, errors in band, counts."""

from __future__ import annotations

from typing import Any

import grpc
import numpy as np
import pytest

from service.core.errors import Reason
from soloist import SoloistError
from soloist.oip import grpc_service_pb2 as pb
from tests.graphs import Sums
from tests.integration.asking import Asker, asking, ones, translated
from tests.integration.cases.open_inference import REQUESTS
from tests.integration.infer_requests import ONES, converse, infer, outputs_of, request, step, stub_of
from tests.integration.strict import ON_BOTH
from tests.servers import running_server

UNSUPPORTED = (
    "SystemSharedMemoryStatus SystemSharedMemoryRegister SystemSharedMemoryUnregister "
    "CudaSharedMemoryStatus CudaSharedMemoryRegister CudaSharedMemoryUnregister TraceSetting LogSettings"
)


def _sums(*values: float) -> list[list[float]]:
    return [[value, value] for value in values]


@ON_BOTH
def test_the_server_and_its_models_tell_of_themselves(asker: Asker) -> None:
    stub = stub_of(asker)
    assert stub.ServerLive(pb.ServerLiveRequest()).live
    assert stub.ServerReady(pb.ServerReadyRequest()).ready
    reported = stub.ServerMetadata(pb.ServerMetadataRequest())
    assert (reported.name, bool(reported.version)) == ("soloist", True)
    assert {"sequence", "statistics", "model_repository", "model_configuration"} <= set(reported.extensions)
    for name, version, ready in (("sums", "", True), ("sums", "1", True), ("sums", "9", False), ("corrupt", "", False)):
        assert stub.ModelReady(pb.ModelReadyRequest(name=name, version=version)).ready is ready
    models = {(each.name, each.version): each for each in stub.RepositoryIndex(pb.RepositoryIndexRequest()).models}
    assert models["sums", "1"].state == "READY"
    assert (models["corrupt", "1"].state, bool(models["corrupt", "1"].reason)) == ("UNAVAILABLE", True)
    callable_ones = stub.RepositoryIndex(pb.RepositoryIndexRequest(ready=True)).models
    assert {each.name for each in callable_ones} == {"sums", "letters", "short", "whole", "hoarder"}


def test_a_model_tells_what_it_takes_and_gives(fresh_asker: Asker) -> None:
    stub = stub_of(fresh_asker)
    reported = stub.ModelMetadata(pb.ModelMetadataRequest(name="sums"))
    assert (reported.name, list(reported.versions), reported.platform) == ("sums", ["1", "2"], "onnxruntime_onnx")
    assert [(each.name, each.datatype, list(each.shape)) for each in reported.inputs] == [
        ("frames", "FP32", [-1, -1, 2])
    ]
    assert [(each.name, each.datatype, list(each.shape)) for each in reported.outputs] == [
        ("outputs", "FP32", [-1, -1, 2])
    ]
    config = stub.ModelConfig(pb.ModelConfigRequest(name="sums")).config
    assert (config.name, config.backend, config.max_batch_size) == ("sums", "onnxruntime", 32)
    assert [(each.name, list(each.dims)) for each in config.input] == [("frames", [-1, 2])]
    assert [(each.name, list(each.dims)) for each in config.output] == [("outputs", [-1, 2])]
    assert config.parameters["length_input"].string_value == "length"
    (state,) = config.sequence_batching.state
    assert (state.input_name, state.output_name, list(state.dims)) == ("state.sum", "next.sum", [2])
    assert state.initial_state[0].zero_data
    assert config.sequence_batching.max_sequence_idle_microseconds == 300_000_000


def test_one_whole_sequence(fresh_asker: Asker) -> None:
    asked = request(name="mine", parameters={"colour": "blue", "priority": 2})
    (response,) = infer(fresh_asker, asked)
    assert (response.model_name, response.model_version, response.id) == ("sums", "2", "mine")
    assert len(response.parameters.pop("prediction_id").string_param) == 32
    assert response.parameters == asked.parameters
    assert outputs_of(response)["outputs"].tolist() == [_sums(1, 2, 3)]
    (older,) = infer(fresh_asker, request(version="1"))
    assert older.model_version == "1"


@pytest.mark.parametrize("column", [False, True])
def test_rows_of_different_length(fresh_asker: Asker, column: bool) -> None:
    frames = np.ones((3, 4, 2), np.float32)
    frames[1, 2:] = np.nan  # what lies beyond a row's length isn't even looked at
    length = np.array([4, 2, 1])
    (response,) = infer(fresh_asker, request(frames, inputs={"length": length[:, None] if column else length}))
    assert outputs_of(response)["outputs"].tolist() == [_sums(1, 2, 3, 4), _sums(1, 2, 0, 0), _sums(1, 0, 0, 0)]


@ON_BOTH
def test_tokens(asker: Asker) -> None:
    (response,) = infer(asker, request(np.array([[2, 3, 5]]), model="letters"))
    assert outputs_of(response)["outputs"].tolist() == [[[1, 0], [1, 1], [1, 2]]]


def test_typed_contents_are_answered_typed_unless_asked_otherwise(fresh_asker: Asker) -> None:
    asked = request(None)
    asked.inputs.add(name="frames", datatype="FP32", shape=ONES.shape).contents.fp32_contents.extend(ONES.ravel())
    (response,) = infer(fresh_asker, asked)
    assert list(response.outputs[0].contents.fp32_contents) == [1, 1, 2, 2, 3, 3]
    assert not response.raw_output_contents
    asked.parameters["binary_data_output"].bool_param = True
    (response,) = infer(fresh_asker, asked)
    assert outputs_of(response)["outputs"].tolist() == [_sums(1, 2, 3)]


def test_states_may_be_asked_for_and_given(fresh_asker: Asker) -> None:
    (first,) = infer(fresh_asker, request(outputs=("next.sum",)))
    assert list(outputs_of(first)) == ["next.sum"]
    state = outputs_of(first)["next.sum"]
    (second,) = infer(fresh_asker, request(inputs={"state.sum": state}, outputs=("outputs", "next.sum")))
    assert outputs_of(second)["outputs"].tolist() == [_sums(4, 5, 6)]
    assert outputs_of(second)["next.sum"].tolist() == _sums(6)
    begun, ended = infer(
        fresh_asker, step(3, start=True, inputs={"state.sum": state}), step(3, end=True)
    )  # a sequence goes on from states that were kept elsewhere
    assert outputs_of(begun)["outputs"].tolist() == [_sums(4, 5, 6)]
    assert outputs_of(ended)["outputs"].tolist() == [_sums(7, 8, 9)]


@ON_BOTH
def test_a_whole_sequence_of_a_model_that_cannot_stream(asker: Asker) -> None:
    (response,) = infer(asker, step(1, start=True, end=True, model="whole"))
    assert outputs_of(response)["outputs"].tolist() == [_sums(1, 2, 3)]


@ON_BOTH
def test_errors_are_told_in_band_and_the_stream_and_its_sequences_go_on(asker: Asker) -> None:
    bad = [message for _, message, _, _, _ in REQUESTS]
    for index, message in enumerate(bad):
        message.id = f"bad {index}"
    requests = [step("good", start=True, name="first"), *bad, step("good", end=True, name="last")]
    reported = {response.infer_response.id: response for response in converse(asker, *requests)}
    assert len(reported) == len(requests)
    for index, (name, _, reason, _, _) in enumerate(REQUESTS):
        assert reported[f"bad {index}"].error_message.startswith(f"{reason.name}: "), name
        assert not reported[f"bad {index}"].infer_response.outputs
    assert not reported["first"].error_message
    assert outputs_of(reported["last"].infer_response)["outputs"][0, -1, 0] == 6


@ON_BOTH
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"triton_enable_empty_final_response": True},
        {"triton_enable_empty_final_response": False},
        {"triton_final_response": False},
        {"triton_final_response": "no"},
    ],
)
def test_each_answer_on_a_stream_says_that_it_is_the_last_of_its_request(
    asker: Asker, parameters: dict[str, Any]
) -> None:
    requests = [
        request(name="whole", parameters=parameters),
        step("final", start=True, name="begun", parameters=parameters),
        step("final", end=True, name="ended", parameters=parameters),
        request(np.zeros((1, 0, 2), np.float32), name="refused", parameters=parameters),
        request(name="nobody's", model="nobody", parameters=parameters),
    ]
    responses = converse(asker, *requests)
    assert sorted(each.infer_response.id for each in responses) == ["begun", "ended", "nobody's", "refused", "whole"]
    for response in responses:
        final = response.infer_response.parameters["triton_final_response"]
        assert final.WhichOneof("parameter_choice") == "bool_param"
        assert final.bool_param
        assert bool(response.error_message) == (response.infer_response.id in {"refused", "nobody's"})
        assert bool(response.infer_response.outputs) != bool(response.error_message)


@ON_BOTH
def test_whether_an_empty_answer_is_wanted_is_yes_or_no(asker: Asker) -> None:
    asked = request(parameters={"triton_enable_empty_final_response": 1})
    (response,) = converse(asker, asked)
    assert response.error_message.startswith("PARAMETER_INVALID: ")
    assert "triton_enable_empty_final_response" in response.error_message
    with pytest.raises(SoloistError) as caught:
        infer(asker, asked)
    assert caught.value.reason == Reason.PARAMETER_INVALID.name


@ON_BOTH
def test_the_answer_to_a_call_of_its_own_says_nothing_of_others(asker: Asker) -> None:
    (answer,) = infer(asker, request(parameters={"triton_enable_empty_final_response": True}))
    assert "triton_final_response" not in answer.parameters
    assert answer.outputs


@ON_BOTH
def test_a_message_that_cannot_be_read_ends_the_stream_after_what_came_before(asker: Asker) -> None:
    ask: Any = asker.channel.stream_stream(
        "/inference.GRPCInferenceService/ModelStreamInfer",
        request_serializer=None,
        response_deserializer=pb.ModelStreamInferResponse.FromString,
    )
    call = ask(iter([request(name="before").SerializeToString(), b"\xff\xff"]), timeout=30)
    assert next(call).infer_response.id == "before"
    with pytest.raises(SoloistError) as caught, translated():
        next(call)
    assert caught.value.reason == Reason.MALFORMED_MESSAGE.name


@ON_BOTH
@pytest.mark.parametrize("method", UNSUPPORTED.split())
def test_methods_that_are_not_served_say_what_to_do(asker: Asker, method: str) -> None:
    message = getattr(pb, f"{method}Request")()
    with pytest.raises(SoloistError) as caught, translated():
        getattr(stub_of(asker), method)(message)
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.UNIMPLEMENTED, "METHOD_UNSUPPORTED")
    assert caught.value.facts["instead"] in caught.value.message


def test_statistics_and_metrics_count_the_same_requests(
    tmp_path_factory: pytest.TempPathFactory, transport: str
) -> None:
    folder = tmp_path_factory.mktemp("counted")
    Sums(name="sums").write(folder / "repository")
    with running_server(folder / "repository", folder, transport=transport) as server, asking(server.grpc) as asker:
        asker.predict(ones(3))
        infer(asker, request(), request(np.ones((3, 2, 2), np.float32)))
        with pytest.raises(SoloistError):
            infer(asker, request(ONES[:, :0]))
        converse(asker, step(1, start=True), step(1, end=True), step(9))
        (stats,) = stub_of(asker).ModelStatistics(pb.ModelStatisticsRequest(name="sums", version="1")).model_stats
        _assert_counted(stats, requests=5, rows=7, failed=1)
        for api, code, calls in (
            ("ModelInfer", "OK", 2),
            ("ModelInfer", "INVALID_ARGUMENT", 1),
            ("ModelStreamInfer", "OK", 2),
        ):
            assert server.total("soloist_requests_total", model="sums", api=api, code=code) == calls
        refused = {"model": "", "api": "ModelStreamInfer", "code": "FAILED_PRECONDITION"}
        assert server.total("soloist_requests_total", **refused) == 1
        assert server.total("soloist_predictions_total", model="sums") == 7
        assert server.total("soloist_sequence_frames_count", model="sums") == 6  # the steps make one sequence
        assert server.total("soloist_compute_seconds_count", api="ModelStreamInfer") == 2


def _assert_counted(stats: pb.ModelStatistics, *, requests: int, rows: int, failed: int) -> None:
    reported = stats.inference_stats
    assert (stats.name, stats.version, stats.inference_count) == ("sums", "1", rows)
    assert (reported.success.count, reported.fail.count) == (requests, failed)
    for part in (reported.queue, reported.compute_input, reported.compute_infer, reported.compute_output):
        assert part.count == requests
        assert part.ns > 0
    inside = reported.queue.ns + reported.compute_input.ns + reported.compute_infer.ns + reported.compute_output.ns
    assert inside <= reported.success.ns
    assert reported.cache_hit.count == reported.cache_miss.count == 0
    assert stats.execution_count == sum(batch.compute_infer.count for batch in stats.batch_stats)
    assert rows == sum(batch.batch_size * batch.compute_infer.count for batch in stats.batch_stats)
    assert stats.last_inference > 0
