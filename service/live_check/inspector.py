"""Judges one answer: runs it again alone, compares, and keeps what differs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import structlog
from google.protobuf import json_format

from service.certificate import fingerprint_here
from service.live_check.capsule import Capsule, Header, pack
from service.live_check.rerun import alone, differences

if TYPE_CHECKING:
    from service.certificate.difference import Difference
    from service.engine.runner import RowResult
    from service.engine.servable import Servable
    from service.live_check.capsule_folder import CapsuleFolder
    from service.live_check.evidence import Evidence

_log = structlog.get_logger("soloist.live_check")
Outcome = Literal["equal", "different", "dropped", "failed"]


class Inspector:
    """Blocks while it runs the model; never raises, whatever the model or the disk does."""

    def __init__(self, capsules: CapsuleFolder | None, *, piece_frames: int) -> None:
        self._capsules = capsules
        self._piece_frames = piece_frames

    def inspect(self, evidence: Evidence) -> Outcome:
        """Check one answer; "dropped" when its version is gone, "failed" when it can't be run alone."""
        servable = evidence.servable()
        if servable is None:
            return "dropped"
        try:
            return self._compare(servable, evidence)
        except Exception:  # ONNX Runtime's own kinds are many and share no base
            _log.exception("live check failed", model=evidence.model, version=evidence.version)
            return "failed"

    def _compare(self, servable: Servable, evidence: Evidence) -> Outcome:
        # A model that may not be cut is run as it was: whole.
        whole = len(evidence.row.frames)
        piece_frames = servable.slice_frames(self._piece_frames) if servable.sliced else whole
        result = alone(servable.runner, evidence.row, piece_frames=piece_frames)
        apart = differences(servable.manifest.signature.outputs.name, result, evidence.given)
        if not apart:
            return "equal"
        self._report(evidence, apart[0], self._keep(servable, evidence, result, piece_frames))
        return "different"

    def _report(self, evidence: Evidence, worst: Difference, capsule: str) -> None:
        _log.error(
            "answer differs from the same frames alone",
            model=evidence.model,
            version=evidence.version,
            tensor=worst.tensor,
            ulp=worst.ulp,
            max_abs_difference=worst.absolute,
            frame_count=len(evidence.row.frames),
            batch_sizes=[len(run.lengths) for run in evidence.runs],
            capsule=capsule,
        )

    def _keep(self, servable: Servable, evidence: Evidence, result: RowResult, piece_frames: int) -> str:
        """Write a capsule; returns where it lies, or why there is none."""
        if self._capsules is None:
            return "none: capsule_dir is not set"
        header = Header(
            time=datetime.now(UTC).isoformat(),
            model=evidence.model,
            version=evidence.version,
            model_sha256=servable.sha256,
            fingerprint=json_format.MessageToDict(fingerprint_here(), preserving_proto_field_name=True),
            states=list(evidence.row.states),
            runs=list(evidence.runs),
            piece_frames=piece_frames,
        )
        content = pack(Capsule(header=header, row=evidence.row, given=evidence.given, alone=result))
        try:
            written = self._capsules.put(content)
        except OSError as error:
            return f"none: {error.strerror}"
        return str(written) if written is not None else "none: capsule_dir is full"
