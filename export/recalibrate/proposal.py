"""One recalibration: statistics from the earlier half of a sample, gates on the later, a version beside the others."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from export import repository
from export.errors import ExportError
from export.recalibrate import gates
from export.recalibrate.independence import describe
from export.recalibrate.judge import open_version, probed, right, top_classes
from export.recalibrate.known import Judged, Judgements, judged, judgements, read_labels
from export.recalibrate.labelled_traffic import LabelledTraffic
from export.recalibrate.sample import Halves, halves
from export.recalibrate.version import propose
from models.data import Split, load
from models.training import Checkpoint
from service.engine.session import open_session
from service.loading.manifest import read_manifest
from service.loading.model_config import CONFIG_FILE
from service.loading.servable import Servable
from soloist.v1.model_pb2 import Model

if TYPE_CHECKING:
    from soloist.sampled_sequences import SampledSequence


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for. `checkpoint` is the file that a version of `model` in `repository` was exported from.

    `prediction_log` is that of the server, which knows labels of the sample and what a shadow said to it; `labels` is a
    CSV file of more (known.read_labels). `pseudo_count` is as for models.training.recalibrated. With `despite_gates`
    the version is written also when a gate fails. `version` is its number; by default the next one.
    """

    model: str
    checkpoint: Path
    repository: Path
    pseudo_count: float
    labels: Path | None = None
    prediction_log: Path | None = None
    bounds: gates.Bounds
    despite_gates: bool = False
    version: int | None = None


class Proposal:
    """A recalibration under way. `tell` gets a line for every gate and for what is written."""

    def __init__(self, request: Request, tell: Callable[[str], None]) -> None:
        """Raise ExportError when no version is of this checkpoint, or labels are of no class; or CheckpointError."""
        self._request = request
        self._tell = tell
        self._checkpoint = Checkpoint.load(request.checkpoint)
        self._served = _exported_from(self._checkpoint.digest, request.repository, request.model)
        self._labels = read_labels(request.labels, self._served.labels) if request.labels else {}

    @property
    def version(self) -> int:
        """The version that was exported from the checkpoint."""
        return self._served.version

    def run(self, sampled: Sequence[SampledSequence]) -> bool:
        """Try it with a sample of the traffic; returns whether every gate passed.

        Raises ExportError when it can't be tried.
        """
        cut = halves(sampled)
        log, classes = self._request.prediction_log, self._served.labels
        known = judgements(sampled, classes, log=log, labels=self._labels)
        passed = self._show(_independent(cut.estimate, self._request.bounds))
        if not passed and not self._request.despite_gates:
            self._tell("nothing was written: the sample is not good enough to be judged by")
            return False
        with tempfile.TemporaryDirectory() as folder:
            version = self._request.version or repository.next_version(self._request.repository, self._request.model)
            new = self._made(Path(folder), version, cut, known)
            passed = self._show(self._judged(Path(folder), version, cut.judge, known)) and passed
            if not passed and not self._request.despite_gates:
                self._tell("nothing was written: the version is no better on traffic that it has not seen")
                return False
            self._publish(new, Path(folder), version)
        return passed

    def _made(self, folder: Path, version: int, cut: Halves, known: Judgements) -> Checkpoint:
        _, new = propose(
            self._served,
            self._checkpoint,
            [each.frames for each in cut.estimate],
            self._request.pseudo_count,
            folder=folder,
            dataset=load(self._checkpoint.task.name),
            version=version,
            usual=[each.frames for each in cut.judge],
            labelled=self._labelled(cut, known),
        )
        return new

    def _labelled(self, cut: Halves, known: Judgements) -> LabelledTraffic | None:
        estimate, judge = (judged(half, known.labels) for half in (cut.estimate, cut.judge))
        if not judge.frames:
            return None
        stale = open_version(self._request.repository, self._request.model, self.version)
        return LabelledTraffic(
            fitted=_split(estimate) if self._fit_to(estimate) else None,
            measured=_split(judge),
            before=int(right(stale, *judge).sum()),
        )

    def _fit_to(self, estimate: Judged) -> bool:
        """Return whether there are enough labels to fit a temperature to: as many as statistics need sequences."""
        return len(estimate.frames) >= self._request.bounds.sequences

    def _judged(
        self, folder: Path, version: int, judge: Sequence[SampledSequence], known: Judgements
    ) -> Iterator[gates.Gate]:
        stale = open_version(self._request.repository, self._request.model, self.version)
        new = open_version(folder, self._request.model, version)
        frames = [each.frames for each in judge]
        yield gates.lower_skew(probed(stale, frames), probed(new, frames))
        yield from _answers(stale, new, judge, known, asked=self._request.labels is not None)

    def _publish(self, new: Checkpoint, folder: Path, version: int) -> None:
        name, target = self._request.model, self._request.repository
        kept = self._request.checkpoint.with_name(f"{self._request.checkpoint.stem}-v{version}.pt")
        new.save(kept)  # first: a version whose checkpoint is lost can't be recalibrated again
        files = {path.name: path.read_bytes() for path in (folder / name / str(version)).iterdir()}
        repository.write(target, name, version, files, (folder / name / CONFIG_FILE).read_text())
        self._tell(f"{target / name / str(version)}: from version {self.version}; its checkpoint is {kept}")

    def _show(self, outcomes: Iterator[gates.Gate]) -> bool:
        passed = True
        for gate in outcomes:
            self._tell(str(gate))
            passed = passed and gate.passed is not False
        return passed


def _split(known: Judged) -> Split:
    return Split(sequences=known.frames, labels=known.classes)


def _independent(sampled: Sequence[SampledSequence], bounds: gates.Bounds) -> Iterator[gates.Gate]:
    yield gates.enough_sequences(np.array([len(each.frames) for each in sampled]), bounds)
    features = describe([each.frames for each in sampled])
    yield gates.independent_in_time(features, np.array([each.first_seen_seconds for each in sampled]), bounds)


def _answers(
    stale: Servable, new: Servable, judge: Sequence[SampledSequence], known: Judgements, *, asked: bool
) -> Iterator[gates.Gate]:
    """Judge by labels where there are any; `asked`: there have to be some."""
    labelled, shadowed = judged(judge, known.labels), judged(judge, known.shadow)
    if asked or labelled.frames:
        yield gates.higher_accuracy(right(stale, *labelled), right(new, *labelled))
    else:
        frames = [each.frames for each in judge]
        yield gates.changed_answers(top_classes(stale, frames), top_classes(new, frames))
    if shadowed.frames:
        alike = right(stale, *shadowed), right(new, *shadowed)
        yield gates.difference_from_shadow(*alike, known.shadow_version)


def _exported_from(digest: str, folder: Path, name: str) -> Model:
    files = [path for path in (folder / name).glob("*/model.onnx") if path.parent.name.isdecimal()]
    for path in sorted(files, key=lambda path: -int(path.parent.name)):
        manifest = read_manifest(open_session(path))
        if manifest.provenance.checkpoint_sha256 == digest:
            # A folder may have been copied under another name.
            manifest.name, manifest.version = name, int(path.parent.name)
            return manifest
    raise ExportError(f"no version of {name} in {folder} was exported from this checkpoint")
