"""Every method that isn't open to everybody, how it is called, and who may call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from soloist.client.errors import from_rpc_error
from soloist.oip import grpc_service_pb2 as oip
from soloist.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from soloist.v1 import admin_pb2, feedback_pb2, norm_skew_pb2
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1.admin_pb2_grpc import AdminStub
from soloist.v1.feedback_pb2_grpc import FeedbackStub
from soloist.v1.norm_skew_pb2_grpc import NormSkewStub
from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceStub
from tests.integration.tokens import ROLES

Ask = Callable[[grpc.Channel, Any], Any]

INFER, FEEDBACK, MONITOR, ADMIN = ROLES
EVERY_ROLE = frozenset(ROLES)


def reflect(channel: grpc.Channel, metadata: Any) -> Any:
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    return list(reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(asked, metadata=metadata))


def _sampled(channel: grpc.Channel, metadata: Any) -> Any:
    request = norm_skew_pb2.ListSampledSequencesRequest(model="sums")
    return list(NormSkewStub(channel).ListSampledSequences(request, metadata=metadata))


def _stream(channel: grpc.Channel, metadata: Any) -> Any:
    return list(SequenceInferenceStub(channel).Stream(iter([pb.StreamRequest()]), metadata=metadata))


def _oip_stream(channel: grpc.Channel, metadata: Any) -> Any:
    asked = iter([oip.ModelInferRequest(model_name="sums")])
    return list(GRPCInferenceServiceStub(channel).ModelStreamInfer(asked, metadata=metadata))


def own(stub: Any, method: str, request: Any) -> Ask:
    return lambda channel, metadata: getattr(stub(channel), method)(request, metadata=metadata)


_API, _OIP = SequenceInferenceStub, GRPCInferenceServiceStub
# Every method that isn't open to everybody, by the roles that may call it.
METHODS: dict[str, tuple[Ask, frozenset[str]]] = {
    "Predict": (own(_API, "Predict", pb.PredictRequest(model="sums")), frozenset({INFER})),
    "Compare": (own(_API, "Compare", pb.CompareRequest(model="sums")), frozenset({INFER})),
    "Stream": (_stream, frozenset({INFER})),
    "ListModels": (own(_API, "ListModels", pb.ListModelsRequest()), EVERY_ROLE),
    "GetModel": (own(_API, "GetModel", pb.GetModelRequest(model="sums")), EVERY_ROLE),
    "ModelInfer": (own(_OIP, "ModelInfer", oip.ModelInferRequest(model_name="sums")), frozenset({INFER})),
    "ModelStreamInfer": (_oip_stream, frozenset({INFER})),
    "ServerMetadata": (own(_OIP, "ServerMetadata", oip.ServerMetadataRequest()), EVERY_ROLE),
    "RepositoryIndex": (own(_OIP, "RepositoryIndex", oip.RepositoryIndexRequest()), EVERY_ROLE),
    "ModelStatistics": (own(_OIP, "ModelStatistics", oip.ModelStatisticsRequest()), frozenset({MONITOR})),
    "RepositoryModelLoad": (
        own(_OIP, "RepositoryModelLoad", oip.RepositoryModelLoadRequest(model_name="sums")),
        frozenset({ADMIN}),
    ),
    "LoadModel": (own(AdminStub, "LoadModel", admin_pb2.LoadModelRequest(model="sums")), frozenset({ADMIN})),
    "GetRollout": (own(AdminStub, "GetRollout", admin_pb2.GetRolloutRequest(model="sums")), frozenset({ADMIN})),
    "Report": (own(FeedbackStub, "Report", feedback_pb2.ReportRequest()), frozenset({INFER, FEEDBACK})),
    "GetAccuracy": (
        own(FeedbackStub, "GetAccuracy", feedback_pb2.GetAccuracyRequest(model="sums")),
        frozenset({FEEDBACK, MONITOR}),
    ),
    "GetNormSkew": (
        own(NormSkewStub, "GetNormSkew", norm_skew_pb2.GetNormSkewRequest(model="sums")),
        frozenset({MONITOR}),
    ),
    "ListSampledSequences": (_sampled, frozenset({ADMIN})),
    "ServerReflectionInfo": (reflect, EVERY_ROLE),
}
OFF = ("LoadModel", "GetRollout", "RepositoryModelLoad", "GetNormSkew", "ListSampledSequences", "ModelStatistics")


def refusal(ask: Ask, channel: grpc.Channel, metadata: Any = None) -> tuple[str, str]:
    """Return code and reason of a call that ends with an error; "OK" of one that doesn't."""
    try:
        ask(channel, metadata)
    except grpc.RpcError as error:
        found = from_rpc_error(error)
        return found.code.name, found.reason
    return "OK", ""
