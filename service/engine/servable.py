"""A version of a model that answers calls: its manifest, its runner, and what may be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from service.certificate import Budget, certify, fingerprint_here, is_bitwise
from service.engine.one_step import open_graph
from service.engine.probe import Probe, open_probe
from service.engine.runner import Row, Runner
from service.engine.session import ModelFileError, open_session
from service.manifest import has_manifest, read_manifest
from service.model_config import FILE as CONFIG_FILE
from service.model_config import describe
from service.tensors import DTYPES
from soloist.v1 import certificate_pb2 as pb

if TYPE_CHECKING:
    from pathlib import Path

    from service.engine.graph import Graph
    from soloist.v1.model_pb2 import Model, Signature

_WARM_UP_LENGTHS = (1, 2, 16)
UNCERTIFIED = "uncertified"
_WORDS = {pb.VERDICT_BITWISE: "bitwise", pb.VERDICT_ULP: "ulp", pb.VERDICT_NONE: "none"}


@dataclass(frozen=True, kw_only=True)
class LoadPolicy:
    """What an operator allows: runs shared without proof, and how long a proof may take at load, in seconds."""

    batch_uncertified: bool
    certify_seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Servable:
    """One version of one model. `batched`: its rows may share runs; `sliced`: its sequences may run in pieces.

    `certificate` is the worst of its verdicts in a word, or "uncertified". `path` is its file, where it has one.
    `probe_fault` says why there is no probe where the manifest tells of one.
    """

    name: str
    version: int
    manifest: Model
    runner: Runner
    certificate: str
    batched: bool
    sliced: bool
    path: Path | None = None
    probe: Probe | None = None
    probe_fault: str = ""


def load_servable(path: Path, policy: LoadPolicy, *, name: str, version: int) -> Servable:
    """Load one file and run it once, so that the first caller waits for nothing. Blocks.

    A file without a manifest is served from <model>/config.pbtxt. A certificate from another processor or runtime is
    made again, in the time that the policy gives. Without a usable probe it serves all the same.

    Raises:
        ModelFileError: the file can't be loaded or run.
        ManifestError: it doesn't say truthfully what it is.

    """
    session = open_session(path)
    config = path.parent.parent / CONFIG_FILE
    served_from_config = not has_manifest(session) and config.is_file()
    manifest = describe(config, session) if served_from_config else read_manifest(session)
    # A folder may have been copied under another name: what callers asked for is what they are told.
    manifest.name, manifest.version = name, version
    graph = open_graph(path, manifest, session)
    runner = Runner(graph)
    _warm_up(runner, manifest.signature)
    _renew_certificate(graph, manifest, policy.certify_seconds)
    proof = manifest.certificate
    probe, probe_fault = _probe(path, manifest)
    shares_runs = is_bitwise(proof, pb.DIMENSION_BATCH, pb.DIMENSION_PADDING) or policy.batch_uncertified
    return Servable(
        name=name,
        version=version,
        manifest=manifest,
        runner=runner,
        certificate=_word(manifest),
        batched=graph.takes_length and shares_runs,
        sliced=is_bitwise(proof, pb.DIMENSION_CHUNKING),
        path=path,
        probe=probe,
        probe_fault=probe_fault,
    )


def _probe(path: Path, manifest: Model) -> tuple[Probe | None, str]:
    """Open what only watches: answers don't need it, so they don't fail with it."""
    try:
        return open_probe(path, manifest), ""
    except ModelFileError as error:
        return None, str(error)


def _renew_certificate(graph: Graph, manifest: Model, seconds: float) -> None:
    """Prove again what was proved elsewhere: bits depend on the processor and the runtime."""
    if not manifest.HasField("certificate") or manifest.certificate.fingerprint == fingerprint_here():
        return
    manifest.certificate.CopyFrom(certify(graph, manifest, Budget(seconds=seconds)))


def _word(manifest: Model) -> str:
    verdicts = [verdict.verdict for verdict in manifest.certificate.verdicts]
    return _WORDS.get(max(verdicts), UNCERTIFIED) if verdicts else UNCERTIFIED


def _warm_up(runner: Runner, signature: Signature) -> None:
    shape = list(signature.frames.shape)[2:]
    dtype = DTYPES[signature.frames.data_type]
    try:
        for length in _WARM_UP_LENGTHS:
            runner.run([Row(frames=np.zeros((length, *shape), dtype), states=runner.initial_states())])
    except Exception as error:  # ONNX Runtime's own kinds are many and share no base
        raise ModelFileError(f"a first run failed: {error}") from error
