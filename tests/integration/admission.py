"""Owns a server of one model whose bounds a test sets, and the methods and refusals that they are about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from soloist import SoloistError
from tests.graphs import Sums
from tests.servers import RunningServer, running_server

MIB = 2**20
PREDICT = "/soloist.v1.SequenceInference/Predict"
STREAMS = (
    "/soloist.v1.SequenceInference/Stream",
    "/inference.GRPCInferenceService/ModelStreamInfer",
    "/soloist.v1.Feedback/ReportStream",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)


@contextmanager
def serving(folder: Path, *, features: int = 2, **settings: Any) -> Iterator[RunningServer]:
    """Serve the model "sums" with these settings."""
    Sums(name="sums", features=features).write(folder / "repository")
    with running_server(
        folder / "repository", folder, prediction_log=folder / "log.db", skew_probe_ratio=0, **settings
    ) as server:
        yield server


def refusal(asked: Any) -> SoloistError:
    """Return the error that a question ends with."""
    with pytest.raises(SoloistError) as caught:
        asked()
    return caught.value
