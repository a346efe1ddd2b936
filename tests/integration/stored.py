"""Owns the requests of sequences in a store, of the model `sums` with one feature."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from soloist import SoloistError
from soloist.oip import grpc_service_pb2 as pb
from tests.integration.asking import asking
from tests.integration.infer_requests import infer, outputs_of, step
from tests.integration.rest_requests import Answer
from tests.servers import RunningServer

# A Redis that loses nothing that it has confirmed.
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
# Its writes wait for a disk that others use; a store that has gone is known at once all the same.
PATIENT: dict[str, Any] = {"sequence_store_timeout_seconds": 20}


def chunk(*frames: float, name: str = "", sequence: str = "s", **place: Any) -> pb.ModelInferRequest:
    return step(sequence, np.array(frames, np.float32)[None, :, None], name=name, **place)


def ask(server: RunningServer, request: pb.ModelInferRequest) -> pb.ModelInferResponse:
    with asking(server.grpc) as asker:
        return infer(asker, request)[0]


def last_of(response: pb.ModelInferResponse) -> float:
    return float(outputs_of(response)["outputs"][0, -1, 0])


def over_rest(answer: Answer) -> float:
    assert answer.status == 200, answer.body
    return float(answer.outputs()["outputs"][0, -1, 0])


@contextmanager
def refused(reason: str) -> Iterator[None]:
    with pytest.raises(SoloistError) as caught:
        yield
    assert caught.value.reason == reason
