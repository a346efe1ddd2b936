"""A version of a model that answers calls: its manifest, its runner, and what may be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from service.engine.runner import Row, Runner
from service.engine.session import ModelFileError, open_session
from service.manifest import read_manifest
from service.tensors import DTYPES

if TYPE_CHECKING:
    from pathlib import Path

    from soloist.v1.model_pb2 import Model, Signature

_WARM_UP_LENGTHS = (1, 2, 16)


@dataclass(frozen=True, kw_only=True, eq=False)
class Servable:
    """One version of one model. `batched`: its rows may share runs; `sliced`: its sequences may run in pieces."""

    name: str
    version: int
    manifest: Model
    runner: Runner
    certificate: str
    batched: bool
    sliced: bool


def load_servable(path: Path, *, name: str, version: int, batch_uncertified: bool) -> Servable:
    """Load one file and run it once, so that the first caller waits for nothing. Blocks.

    Raises:
        ModelFileError: the file can't be loaded or run.
        ManifestError: it doesn't say truthfully what it is.

    """
    session = open_session(path)
    manifest = read_manifest(session)
    # A folder may have been copied under another name: what callers asked for is what they are told.
    manifest.name, manifest.version = name, version
    runner = Runner(session, manifest.signature)
    _warm_up(runner, manifest.signature)
    return Servable(
        name=name,
        version=version,
        manifest=manifest,
        runner=runner,
        certificate="none",
        batched=batch_uncertified and manifest.signature.HasField("length"),
        sliced=False,
    )


def _warm_up(runner: Runner, signature: Signature) -> None:
    shape = list(signature.frames.shape)[2:]
    dtype = DTYPES[signature.frames.data_type]
    try:
        for length in _WARM_UP_LENGTHS:
            runner.run([Row(frames=np.zeros((length, *shape), dtype), states=runner.initial_states())])
    except Exception as error:  # ONNX Runtime's own kinds are many and share no base
        raise ModelFileError(f"a first run failed: {error}") from error
