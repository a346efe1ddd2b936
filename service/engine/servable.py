"""A version of a model that answers calls: its manifest, its runner, and what may be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.engine import proof
from service.engine.one_step import open_graph
from service.engine.probe import Probe, open_probe
from service.engine.runner import Runner
from service.engine.session import ModelFileError, open_session
from service.engine.warm_up import warm_up
from service.manifest import has_manifest, read_manifest
from service.model_config import FILE as CONFIG_FILE
from service.model_config import describe
from soloist.v1 import certificate_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import onnxruntime as ort

    from service.model_config import Description
    from soloist.v1.model_pb2 import Model


@dataclass(frozen=True, kw_only=True)
class LoadPolicy:
    """What an operator allows: runs shared without proof, and how long a proof may take at load, in seconds."""

    batch_uncertified: bool
    certify_seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Servable:
    """One version of one model. `batched`: its rows may share runs; `sliced`: its sequences may run in pieces.

    `certificate` is the worst of its verdicts in a word, or "uncertified". `path` is its file, where it has one.
    `description` is what a configuration and its graph say of a model made elsewhere; None when it says so itself.
    `aligned` tells that there is one output for every frame.
    `probe_fault` says why there is no probe where the manifest tells of one, `certificate_fault` why the certificate
    beside a model made elsewhere doesn't count.
    """

    name: str
    version: int
    manifest: Model
    runner: Runner
    certificate: str
    batched: bool
    sliced: bool
    path: Path | None = None
    description: Description | None = None
    aligned: bool = True
    probe: Probe | None = None
    probe_fault: str = ""
    certificate_fault: str = ""

    def slice_frames(self, most: int) -> int:
        """Give the frames of a slice of at most `most`, where sequences may run in pieces: whole runs, and one run."""
        unit = self.manifest.signature.frames_per_run or 1
        return max(unit, most - most % unit)

    def padded_frames(self, lengths: Sequence[int]) -> list[int]:
        """Return the frames computed for each row of a run of these lengths: its own where rows leave as they end."""
        if self.manifest.signature.frames_per_run:
            return list(lengths)
        return [max(lengths)] * len(lengths)

    def padding_ratio(self, lengths: Sequence[int]) -> float:
        """Tell which share of a run of rows of these lengths is padding."""
        return 1 - sum(lengths) / sum(self.padded_frames(lengths))


def load_servable(path: Path, policy: LoadPolicy, *, name: str, version: int) -> Servable:
    """Load one file and run it once, so that the first caller waits for nothing. Blocks.

    A file without a manifest is served from <model>/config.pbtxt, or, without that, as what its graph looks like. A
    certificate from another processor or runtime is made again, in the time that the policy gives. Without a usable
    probe, or certificate beside it, it serves all the same.

    Raises:
        ModelFileError: the file can't be loaded or run.
        ManifestError: it doesn't say truthfully what it is.

    """
    session = open_session(path)
    description = _description(path, session)
    manifest = description.model if description is not None else read_manifest(session)
    # A folder may have been copied under another name: what callers asked for is what they are told.
    manifest.name, manifest.version = name, version
    graph = open_graph(path, manifest, session)
    is_aligned = warm_up(graph, made_elsewhere=description is not None)
    certificate_fault = ""
    if description is None:
        proof.renew(graph, manifest, policy.certify_seconds)
    else:
        certificate_fault = proof.take_stored(path, graph, manifest, policy.certify_seconds)
    probe, probe_fault = _probe(path, manifest)
    padding = [] if manifest.signature.frames_per_run else [pb.DIMENSION_PADDING]
    shares_runs = proof.holds(manifest, pb.DIMENSION_BATCH, *padding) or policy.batch_uncertified
    return Servable(
        name=name,
        version=version,
        manifest=manifest,
        runner=Runner(graph, made_elsewhere=description is not None),
        certificate=proof.word(manifest),
        batched=graph.takes_ragged_batches and is_aligned and shares_runs,
        # A graph that takes so many frames a run is cut into runs anyway.
        sliced=proof.holds(manifest, pb.DIMENSION_CHUNKING) or manifest.signature.frames_per_run > 0,
        path=path,
        description=description,
        aligned=is_aligned,
        probe=probe,
        probe_fault=probe_fault,
        certificate_fault=certificate_fault,
    )


def _description(path: Path, session: ort.InferenceSession) -> Description | None:
    if has_manifest(session):
        return None
    config = path.parent.parent / CONFIG_FILE
    return describe(config if config.is_file() else None, session)


def _probe(path: Path, manifest: Model) -> tuple[Probe | None, str]:
    """Open what only watches: answers don't need it, so they don't fail with it."""
    try:
        return open_probe(path, manifest), ""
    except ModelFileError as error:
        return None, str(error)
