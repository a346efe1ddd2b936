"""Hostile inputs are drawn again by their numbers, judged by what comes of them, and kept where they do harm."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, cast

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from bench.fuzz import script as scripts
from bench.fuzz.findings import Findings
from bench.fuzz.inputs import InputGenerator
from bench.fuzz.methods import CHANGES_MODELS, all_methods
from bench.fuzz.mutated_messages import keep_models, message
from bench.fuzz.outcome import Outcome
from bench.fuzz.script import KINDS, Kind, Script, Step, one_message
from bench.fuzz.sender import Sender, connect
from bench.fuzz.server_facts import ModelFacts, ServerFacts, TensorPort
from bench.server.metrics_page import MetricsPage
from soloist.oip.grpc_service_pb2 import ModelInferRequest, ModelInferResponse, ModelStreamInferResponse
from soloist.v1 import admin_pb2
from tests.graphs import Sums

METHODS = all_methods()
PREDICT, STREAM_INFER = "/soloist.v1.SequenceInference/Predict", "/inference.GRPCInferenceService/ModelStreamInfer"


def model(name: str) -> ModelFacts:
    manifest = Sums(name=name).manifest
    ports = [TensorPort(name="frames", datatype="FP32", shape=(-1, -1, 2))]
    return ModelFacts(name=name, version=1, manifest=manifest, inputs=ports, outputs=["outputs"], states=[])


MODELS = [model("a"), model("b"), model("spare")]


def facts() -> ServerFacts:
    return ServerFacts(models=MODELS, spare=MODELS[-1])


def generator(kinds: Sequence[Kind] = KINDS, seed: int = 0) -> InputGenerator:
    return InputGenerator(list(METHODS.values()), facts(), kinds, seed=seed)


def test_a_number_and_a_seed_make_one_input() -> None:
    first, again, other = (generator(seed=seed) for seed in (7, 7, 8))
    numbers = range(200)
    assert [first.draw(number) for number in numbers] == [again.draw(number) for number in reversed(numbers)][::-1]
    assert sum(first.draw(number) == other.draw(number) for number in numbers) < 20


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reaches_every_method(kind: Kind) -> None:
    drawn = [generator([kind]).draw(number) for number in range(6000)]
    assert {script.kind for script in drawn} == {kind}
    assert {script.path for script in drawn} >= set(METHODS) - {
        path for path, method in METHODS.items() if method.weight < 0.1
    }


def test_fields_parse_and_bytes_often_do_not() -> None:
    def parses(script: Script) -> bool:
        method = METHODS[script.path]
        try:
            method.empty().MergeFromString(script.steps[0].data)
        except DecodeError:
            return False
        return True

    assert all(parses(generator(["fields"]).draw(number)) for number in range(500))
    failed = Counter(parses(generator(["bytes"]).draw(number)) for number in range(500))
    assert failed[False] > 100 < failed[True]


def test_walks_say_where_a_request_is_in_its_sequence() -> None:
    """Rightly, wrongly, in types that the parameter can't have; and some are sent again as they were."""
    infers = [generator(["walks"]).draw(number) for number in range(600)]
    sent = [[step.data for step in each.steps if step.what == "send"] for each in infers if each.path == STREAM_INFER]
    kinds: Counter[str | None] = Counter()
    for data in {each for messages in sent for each in messages}:
        with contextlib.suppress(DecodeError):
            given = ModelInferRequest.FromString(data).parameters
            if "sequence_first_frame" in given:
                kinds[given["sequence_first_frame"].WhichOneof("parameter_choice")] += 1
    assert set(kinds) >= {"int64_param", "uint64_param", "string_param", "bool_param", "double_param"}
    assert any(one == other for messages in sent for one, other in itertools.pairwise(messages))


def test_only_the_spare_model_is_unloaded() -> None:
    request = admin_pb2.UnloadModelRequest(model="a")
    unload = METHODS["/soloist.v1.Admin/UnloadModel"]
    assert cast("admin_pb2.UnloadModelRequest", keep_models(unload, request, facts())).model == "spare"
    rng = Random(3)
    for method in METHODS.values():
        if method.name in CHANGES_MODELS:
            names = {_model_of(message(method, facts(), rng)) for _ in range(300)}
            assert "spare" in names
            assert not names & {"a", "b"}


def test_a_script_is_written_and_read(tmp_path: Path) -> None:
    steps = (
        Step(what="send", data=bytes(range(256))),
        Step(what="rest", milliseconds=0.5),
        Step(what="await"),
        Step(what="cancel"),
    )
    script = Script(kind="walks", path=STREAM_INFER, steps=steps, timeout_seconds=1e-6)
    scripts.write(tmp_path / "out" / "input.json", script, {"code": "INTERNAL"})
    assert scripts.read(tmp_path / "out" / "input.json") == script
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match="holds no input"):
        scripts.read(tmp_path / "other.json")


def test_the_smallest_of_each_sort_is_kept(tmp_path: Path) -> None:
    findings = Findings(folder=tmp_path)
    harm = Outcome(code="INTERNAL", reason="INTERNAL", details="internal error", fault="it is")
    for size in (9, 3, 5):
        findings.take(one_message("bytes", PREDICT, bytes(size)), harm)
    findings.take(one_message("bytes", STREAM_INFER, b""), harm)
    assert sorted(findings.counts.values()) == [1, 3]
    kept = [scripts.read(file) for file in tmp_path.iterdir()]
    assert sorted((script.path, script.size) for script in kept) == sorted([(PREDICT, 3), (STREAM_INFER, 0)])


def test_samples_are_summed_whatever_their_labels() -> None:
    page = '# TYPE open gauge\nopen{model="a"} 2.0\nopen{model="b"} 3.0\nopen_total 7.0\nplain 1.5\n'
    totals = tuple(MetricsPage(page).total(name) for name in ("open", "plain", "other"))
    assert totals == (5.0, 1.5, 0.0)


class Refusing(grpc.GenericRpcHandler):
    """Ends every call with one status, after some answers."""

    def __init__(self, status: Any, answers: Sequence[Message] = ()) -> None:
        self._status, self._answers = status, answers

    def service(self, handler_call_details: Any) -> Any:  # noqa: ARG002
        async def answer(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            async for _ in requests:
                pass
            for each in self._answers:
                yield each.SerializeToString()
            if self._status is not None:
                await context.abort_with_status(self._status)

        return grpc.stream_stream_rpc_method_handler(answer)


async def _outcomes(handler: Refusing, script: Script) -> list[Outcome]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with connect(f"127.0.0.1:{port}") as channel:
            return await Sender(channel, lambda _path, _data: None).send(script)
    finally:
        await server.stop(None)


def _status(code: grpc.StatusCode, domain: str) -> Any:
    detail = AnyMessage()
    detail.Pack(error_details_pb2.ErrorInfo(domain=domain, reason="WHY"))
    return rpc_status.to_status(status_pb2.Status(code=code.value[0], message="so it is", details=[detail]))


@pytest.mark.parametrize(
    ("code", "domain", "is_harm"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "soloist", False),
        (grpc.StatusCode.INVALID_ARGUMENT, "elsewhere", True),
        (grpc.StatusCode.INTERNAL, "soloist", True),
        (grpc.StatusCode.UNKNOWN, "elsewhere", True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "soloist", False),
    ],
)
@pytest.mark.parametrize("steps", [("send", "end"), ("send", "send", "end"), ("end",)])
async def test_what_a_call_ends_with_is_judged(
    code: grpc.StatusCode, domain: str, is_harm: bool, steps: Sequence[Any]
) -> None:
    script = Script(kind="walks", path=PREDICT, steps=tuple(Step(what=what) for what in steps))
    (outcome,) = await _outcomes(Refusing(_status(code, domain)), script)
    assert (outcome.code, bool(outcome.fault)) == (code.name, is_harm)


async def test_a_message_that_grpc_finds_too_large_is_no_harm() -> None:
    (outcome,) = await _outcomes(Refusing(None), one_message("bytes", PREDICT, bytes(5 * 2**20)))
    assert (outcome.code, outcome.fault) == ("RESOURCE_EXHAUSTED", "")
    assert "larger than max" in outcome.details


async def test_a_refusal_inside_a_stream_is_judged_too() -> None:
    answers = [
        ModelStreamInferResponse(infer_response=ModelInferResponse()),
        ModelStreamInferResponse(error_message="INPUT_MISSING: send it"),
        ModelStreamInferResponse(error_message="INTERNAL: internal error"),
    ]
    found = await _outcomes(Refusing(None, answers), one_message("fields", STREAM_INFER, b""))
    assert [(each.code, each.reason, bool(each.fault)) for each in found] == [
        ("(in stream)", "INPUT_MISSING", False),
        ("(in stream)", "INTERNAL", True),
        ("OK", "", False),
    ]


async def test_a_caller_that_cancels_or_has_no_time_harms_nobody() -> None:
    cancelling = Script(kind="walks", path=STREAM_INFER, steps=(Step(what="send"), Step(what="cancel")))
    hurried = Script(kind="walks", path=STREAM_INFER, steps=(Step(what="send"),), timeout_seconds=0.01)
    for script, code in ((cancelling, "CANCELLED"), (hurried, "DEADLINE_EXCEEDED")):
        (outcome,) = await _outcomes(Refusing(None), script)
        assert (outcome.code, outcome.fault) == (code, "")


def _model_of(made: Message) -> str:
    return str(getattr(made, "model", "") or getattr(made, "model_name", ""))
