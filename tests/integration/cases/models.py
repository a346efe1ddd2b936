"""Owns the calls for models that aren't there, or can't be called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from service.core.errors import Reason
from service.core.reasons.error_kind import ErrorKind
from soloist.v1 import norm_skew_pb2
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1.norm_skew_pb2_grpc import NormSkewStub
from tests.integration.asking import Asker, chunk, ones, opening, translated
from tests.integration.cases.case import Case
from tests.integration.strict import BROKEN


def _get_model(asker: Asker, model: str, version: int = 0) -> pb.GetModelResponse:
    with translated():
        return asker.stub.GetModel(pb.GetModelRequest(model=model, version=version))


def _everywhere(
    name: str, reason: ErrorKind, model: str, version: int = 0, *, facts: Mapping[str, str] | None = None
) -> list[Case]:
    ways: dict[str, Callable[[Asker], object]] = {
        "predict": lambda asker: asker.predict(ones(3), model=model, version=version),
        "stream": lambda asker: asker.converse(opening(model, version), chunk(0, ones(3))),
    }
    code = "FAILED_PRECONDITION"
    if reason is not Reason.MODEL_UNAVAILABLE:  # GetModel tells of a model that can't be called, too
        code = "NOT_FOUND"
        ways["get-model"] = lambda asker: _get_model(asker, model, version)
    reported = {"model": model} if facts is None else facts
    return [Case(name=f"{way}-{name}", reason=reason, code=code, facts=reported, ask=ask) for way, ask in ways.items()]


def _norm_skew(asker: Asker, model: str) -> object:
    with translated():
        return NormSkewStub(asker.channel).GetNormSkew(norm_skew_pb2.GetNormSkewRequest(model=model))


def _sampled(asker: Asker, model: str) -> object:
    with translated():
        request = norm_skew_pb2.ListSampledSequencesRequest(model=model)
        return list(NormSkewStub(asker.channel).ListSampledSequences(request))


_NO_MODEL, _NO_VERSION = Reason.MODEL_NOT_FOUND, Reason.MODEL_VERSION_NOT_FOUND
CASES = [
    *_everywhere("unknown", _NO_MODEL, "nobody"),
    *_everywhere("nameless", _NO_MODEL, ""),
    *_everywhere("path", _NO_MODEL, "../sums"),
    *_everywhere("endless", _NO_MODEL, "x" * 256),
    *_everywhere("unprintable", _NO_MODEL, "ü\n\0\U0001f600" * 32, facts={}),
    *_everywhere("version-7", _NO_VERSION, "sums", 7, facts={"model": "sums", "version": "7"}),
    *_everywhere("version-minus-1", _NO_VERSION, "sums", -1, facts={"version": "-1"}),
    *(case for broken in BROKEN for case in _everywhere(broken, Reason.MODEL_UNAVAILABLE, broken)),
    Case(
        name="stream-of-a-model-that-sees-later-frames",
        reason=Reason.MODEL_NOT_CAUSAL,
        code="FAILED_PRECONDITION",
        facts={"model": "whole"},
        ask=lambda asker: asker.converse(opening("whole"), chunk(0, ones(3))),
    ),
    *(
        Case(name=f"{way}-{name}", reason=reason, code=code, facts=facts, ask=partial(ask, model=model))
        for way, ask in (("norm-skew", _norm_skew), ("sampled-sequences", _sampled))
        for name, reason, code, model, facts in (
            ("unknown", _NO_MODEL, "NOT_FOUND", "nobody", {"model": "nobody"}),
            ("without-a-probe", Reason.PROBE_MISSING, "FAILED_PRECONDITION", "sums", {"model": "sums", "version": "1"}),
        )
    ),
]
