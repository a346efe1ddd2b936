from __future__ import annotations

import string

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from service.core.errors import REASONS, Reason, ServiceError
from service.core.reasons.error_kind import ErrorKind
from service.transport.boundary import DOMAIN, to_grpc_status


@pytest.mark.parametrize("reason", REASONS.values(), ids=lambda reason: reason.name)
def test_every_reason_has_a_canonical_code_words_and_a_hint(reason: ErrorKind) -> None:
    assert grpc.StatusCode[reason.code] is not grpc.StatusCode.OK
    assert reason.sentence
    assert reason.hint or reason is Reason.INTERNAL


def test_every_reason_is_in_one_group_under_its_own_name() -> None:
    names = [name for group in Reason.__bases__ for name in vars(group) if name.isupper()]
    assert sorted(names) == sorted(REASONS)
    assert {name: getattr(Reason, name).name for name in REASONS} == {name: name for name in REASONS}


@pytest.mark.parametrize("reason", REASONS.values(), ids=lambda reason: reason.name)
def test_an_error_travels_with_its_reason_and_facts(reason: ErrorKind) -> None:
    names = {name for _, name, _, _ in string.Formatter().parse(reason.sentence + reason.hint) if name}
    status = to_grpc_status(ServiceError(reason, **dict.fromkeys(names, 7)))
    assert status.code is grpc.StatusCode[reason.code]
    assert "{" not in status.details
    assert "?" not in status.details
    info = error_details_pb2.ErrorInfo()
    sent = dict(status.trailing_metadata)[rpc_status.GRPC_DETAILS_METADATA_KEY]
    rich = rpc_status.status_pb2.Status.FromString(sent)
    assert rich.details[0].Unpack(info)
    assert (info.domain, info.reason, dict(info.metadata)) == (DOMAIN, reason.name, dict.fromkeys(names, "7"))


def test_what_a_caller_sent_is_repeated_only_so_far() -> None:
    error = ServiceError(Reason.MODEL_NOT_FOUND, model="\U0001f600" * 100_000)
    assert len(str(error.facts["model"])) < 300
    headers = sum(len(name) + len(value) for name, value in to_grpc_status(error).trailing_metadata)
    assert headers < 4096
