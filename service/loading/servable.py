"""The servable: a version of a model that answers calls, with its manifest, its runner, and how it may run."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from service.core.errors import Reason, ServiceError
from service.core.tensors import FramesForm
from service.engine.model_file import ModelFileError, ModelLimits, read_model_file
from service.engine.one_step import open_graph
from service.engine.probe import Probe, open_probe
from service.engine.runner import Runner
from service.engine.session import open_session
from service.engine.untimed import UntimedRunner, warm_up_untimed
from service.loading import certificate_check
from service.loading.certificate_check import FILE as CERTIFICATE_FILE
from service.loading.manifest import ManifestError, has_manifest, read_manifest
from service.loading.model_config import CONFIG_FILE, describe
from service.loading.warm_up import warm_up
from soloist.v1 import certificate_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from service.engine.onnx_runtime import ort
    from service.engine.untimed import Untimed
    from service.loading.model_config import Description
    from soloist.v1.model_pb2 import Model


@dataclass(frozen=True, kw_only=True)
class LoadPolicy:
    """Whether uncertified models may share runs, how many seconds certifying may take, and the largest files."""

    batch_uncertified: bool
    certify_seconds: float
    limits: ModelLimits = field(default_factory=ModelLimits)


@dataclass(frozen=True, kw_only=True, eq=False)
class Servable:
    """One version of one model. `batched`: its rows may share runs; `sliced`: its sequences may run in pieces.

    `certificate` is the worst of its verdicts as one word, or "uncertified". `path` is its file, if it has one, and
    `sha256` that of the loaded bytes, external weights included.
    `description` is that of a third-party model by its configuration and graph; None if it has a manifest.
    `aligned` is true if there is one output for every frame.
    `states_grow` is true if states may grow from request to request.
    `warm_up_fault` says why no first run of a third-party model succeeded. The model serves, since its inputs were
    made up. `probe_fault` says why the probe named by the manifest is missing, `certificate_fault` why the certificate
    next to a third-party model doesn't count.
    """

    name: str
    version: int
    manifest: Model
    runner: Runner | UntimedRunner
    certificate: str
    batched: bool
    sliced: bool
    path: Path | None = None
    sha256: str = ""
    description: Description | None = None
    aligned: bool = True
    probe: Probe | None = None
    probe_fault: str = ""
    certificate_fault: str = ""
    warm_up_fault: str = ""
    states_grow: bool = False

    @cached_property
    def has_auxiliary_inputs(self) -> bool:
        """Return whether it takes anything besides frames and states that isn't constant."""
        signature = self.manifest.signature
        return bool(signature.controls) or not all(each.HasField("constant") for each in signature.inputs)

    @cached_property
    def key(self) -> tuple[str, str]:
        """Return its name and version, as labels of metrics."""
        return self.name, str(self.version)

    @cached_property
    def takes_position(self) -> bool:
        """Return whether it is told where in its sequence a row is."""
        return bool(self.manifest.signature.controls)

    @cached_property
    def joins_chunks(self) -> bool:
        """Return whether chunks that follow one another may run as one: no bit says how they were cut."""
        return self.sliced and self.aligned and not (self._has_fixed_window or self.has_auxiliary_inputs)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Return the names of its classes."""
        return tuple(self.manifest.labels)

    @cached_property
    def _has_fixed_window(self) -> bool:
        return self.manifest.signature.frames_per_run > 0

    @cached_property
    def frames_form(self) -> FramesForm:
        """Return what its frames look like."""
        return FramesForm(self.manifest.signature)

    def idle_seconds(self, usual: float) -> float:
        """Return the idle time after which a sequence ends: that of its configuration, or else the server's."""
        configured = self.description.config.sequence_batching.max_sequence_idle_microseconds if self.description else 0
        return configured / 1e6 or usual

    def require_time_axis(self) -> Runner:
        """Return the runner of frames.

        Raises:
            ServiceError: TIME_AXIS_UNKNOWN: the model is served as it is, with one request per run.

        """
        if isinstance(self.runner, UntimedRunner):
            raise ServiceError(Reason.TIME_AXIS_UNKNOWN, model=self.name, version=self.version)
        return self.runner

    def slice_frames(self, most: int) -> int:
        """Return the frames of a slice, at most `most`: whole runs of a fixed window, at least one."""
        unit = self.manifest.signature.frames_per_run or 1
        return max(unit, most - most % unit)

    def padded_frames(self, lengths: Sequence[int]) -> list[int]:
        """Return the frames computed for each row of a run of these lengths: its own if rows leave when they end."""
        if len(lengths) == 1 or self._has_fixed_window:
            return list(lengths)
        return [max(lengths)] * len(lengths)

    def padding_ratio(self, lengths: Sequence[int]) -> float:
        """Return the share of padding in a run of rows of these lengths."""
        return 1 - sum(lengths) / sum(self.padded_frames(lengths)) if len(lengths) > 1 else 0.0


def load_servable(path: Path, policy: LoadPolicy, *, name: str, version: int, sha256: str = "") -> Servable:
    """Load one file and run it once, so that the first caller doesn't wait. Blocks.

    A file without a manifest is described by <model>/config.pbtxt, or by its graph alone. A certificate from another
    processor or runtime is made again, within the time of the policy. A probe or a certificate that can't be used
    doesn't keep the model from serving. With `sha256`, no other bytes are loaded.

    Raises:
        ModelFileError: the file can't be loaded or run.
        ManifestError: its manifest is missing or wrong.

    """
    file = read_model_file(path, policy.limits)
    if sha256 and file.sha256 != sha256:
        raise ModelFileError(f"{file.name} changed while it was loaded")
    session = open_session(file, policy.limits)
    description = _description(path, session)
    manifest = description.model if description is not None else read_manifest(session)
    # A folder may have been copied under another name: answers have the name that callers asked for.
    manifest.name, manifest.version = name, version
    if description is not None and description.untimed is not None:
        return _untimed(path, file.sha256, description, description.untimed, session)
    return _timed(path, file.sha256, manifest, description, session, policy)


def _timed(
    path: Path,
    sha256: str,
    manifest: Model,
    description: Description | None,
    session: ort.InferenceSession,
    policy: LoadPolicy,
) -> Servable:
    graph = open_graph(path, manifest, session, policy.limits)
    first_runs = warm_up(graph, third_party=description is not None)
    _require_labels(manifest, first_runs.width)
    certificate_fault = ""
    if description is None:
        certificate_check.renew(graph, manifest, policy.certify_seconds)
    else:
        certificate_fault = certificate_check.take_stored(path, sha256, graph, manifest, policy.certify_seconds)
    probe, probe_fault = _probe(path, manifest, policy.limits)
    padding = [] if manifest.signature.frames_per_run else [pb.DIMENSION_PADDING]
    shares_runs = certificate_check.holds(manifest, pb.DIMENSION_BATCH, *padding) or policy.batch_uncertified
    return Servable(
        name=manifest.name,
        version=manifest.version,
        manifest=manifest,
        runner=Runner(graph, third_party=description is not None),
        certificate=certificate_check.word(manifest),
        batched=graph.takes_ragged_batches and first_runs.is_aligned and shares_runs,
        # Sequences for a fixed window are cut into runs anyway.
        sliced=certificate_check.holds(manifest, pb.DIMENSION_CHUNKING) or manifest.signature.frames_per_run > 0,
        path=path,
        sha256=sha256,
        description=description,
        aligned=first_runs.is_aligned,
        probe=probe,
        probe_fault=probe_fault,
        certificate_fault=certificate_fault,
        warm_up_fault=first_runs.fault,
    )


def _require_labels(manifest: Model, width: int) -> None:
    """Refuse labels that aren't one per output: the class of an answer could not be named."""
    if manifest.labels and width and len(manifest.labels) != width:
        raise ManifestError(f"it has {len(manifest.labels)} labels for {width} outputs")


def _untimed(
    path: Path, sha256: str, description: Description, untimed: Untimed, session: ort.InferenceSession
) -> Servable:
    """Serve a graph as it is: nothing is shared, cut or certified."""
    runner, manifest = UntimedRunner(session, untimed), description.model
    has_certificate = path.with_name(CERTIFICATE_FILE).exists()
    return Servable(
        name=manifest.name,
        version=manifest.version,
        manifest=manifest,
        runner=runner,
        certificate=certificate_check.UNCERTIFIED,
        batched=False,
        sliced=False,
        path=path,
        sha256=sha256,
        description=description,
        aligned=False,
        certificate_fault="the time axis is unknown, so the model can't be certified" if has_certificate else "",
        warm_up_fault=warm_up_untimed(runner),
        states_grow=runner.states_grow,
    )


def _description(path: Path, session: ort.InferenceSession) -> Description | None:
    if has_manifest(session):
        return None
    config = path.parent.parent / CONFIG_FILE
    return describe(config if config.is_file() else None, session)


def _probe(path: Path, manifest: Model, limits: ModelLimits) -> tuple[Probe | None, str]:
    """Open the probe, or return why it can't be opened: answers don't need it, so they must not fail with it."""
    try:
        return open_probe(path, manifest, limits), ""
    except ModelFileError as error:
        return None, str(error)
