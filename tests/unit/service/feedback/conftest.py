"""A prediction log in a temporary folder, with a clock that only the test moves."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.engine.runner import Row
from service.loading.servable import Servable
from service.observers.feedback.accuracy import Tally, VersionTally
from service.observers.feedback.accuracy_queries import AccuracyQueries, Identity
from service.observers.feedback.answer_record import Record
from service.observers.feedback.answer_writer import LogWriter
from service.observers.feedback.database import connect, transaction
from service.observers.feedback.label import Label, Verdict
from service.observers.feedback.label_joiner import Joiner
from service.observers.feedback.log_file import LogFile
from service.observers.feedback.policy import LogPolicy, Window
from service.serving.prediction import Prediction
from tests.servables import GatedRunner, servable

NOW_SECONDS = 1_800_000_000.0
CLASSES = ("a", "b", "c")


def classifier(version: int = 1, *, norm: str = "layer", classes: Sequence[str] = CLASSES) -> Servable:
    """Make a version that tells classes."""
    made = servable(GatedRunner(), name="m", version=version)
    made.manifest.labels[:] = classes
    made.manifest.norm = norm
    return made


# pytest and the tests each import this module: both count from a place of their own.
_numbers = itertools.count(secrets.randbits(60))


def new_id(at_seconds: float) -> str:
    """Make an id of a time, and no other's."""
    return f"{round(at_seconds * 1000):012x}{next(_numbers):020x}"


def prediction(
    by: Servable,
    *classes: int,
    at_seconds: float = NOW_SECONDS,
    confidence: float = 0.8,
    frame_count: int | None = None,
    first_frame: int = 0,
    sequence_id: str | None = None,
    batch_size: int = 1,
    prediction_id: str | None = None,
    client: str = "",
) -> Prediction:
    """Make an answer that says these classes, one a frame, each with this confidence; `sequence_id` for a chunk."""
    made = prediction_id or new_id(at_seconds)
    count, said = len(by.manifest.labels), np.array(classes or (0,))
    # softmax of (x, 0, 0, …) is `confidence` at the first for this x
    logits: Any = np.zeros((len(said), count))
    logits[np.arange(len(said)), said] = np.log(confidence * (count - 1) / (1 - confidence))
    return Prediction(
        id=made,
        servable=by,
        sequence_id=sequence_id or made,
        row=Row(frames=np.zeros((frame_count or len(said), 1), np.float32), states={}),
        outputs=logits.astype(np.float32),
        first_frame=first_frame,
        is_whole=sequence_id is None,
        batch_size=batch_size,
        client=client,
    )


@dataclass
class Log:
    """One log file, written and asked directly."""

    policy: LogPolicy
    now_seconds: float = NOW_SECONDS
    by: Servable = field(default_factory=classifier)

    def __post_init__(self) -> None:
        self.file = LogFile(self.policy.path)
        self.connection = self.file.connection()
        self.writer = LogWriter(self.connection, self.policy)
        self.db = connect(self.policy.path)
        self.joiner = Joiner(self.db, self.policy)

    @property
    def now_ms(self) -> int:
        return round(self.now_seconds * 1000)

    def write(self, *predictions: Prediction, shadow: bool = False) -> list[Verdict]:
        """Write answers; what came of labels that had waited for them."""
        return self.writer.write([Record.of(each, is_shadow=shadow) for each in predictions], self.now_ms)

    def answer(self, *classes: int, **reported: Any) -> str:
        """Write one answer; its id."""
        made = prediction(reported.pop("by", self.by), *classes, **reported)
        self.write(made)
        return made.id

    def report(self, prediction_id: str, label: str | int, *, step: int | None = None, reporter: str = "") -> Verdict:
        """Report one label, with `reporter` as a client that may label its own answers only."""
        reported = Label(
            prediction_id=bytes.fromhex(prediction_id),
            event_ms=self.now_ms,
            class_index=label if isinstance(label, int) else None,
            name=label if isinstance(label, str) else None,
            step=step,
            reporter=reporter,
        )
        with transaction(self.db):
            return self.joiner.take([reported], self.now_ms)[0]

    def count(self, seconds: float = 300) -> dict[Identity, VersionTally]:
        """Count a window."""
        return AccuracyQueries(self.db).count(round((self.now_seconds - seconds) * 1000))

    def tally(self, slice_name: str = "all", bucket: str = "all", *, version: int = 1, norm: str = "layer") -> Tally:
        """Count one bucket of one version."""
        return self.count()["m", version, norm].tallies[slice_name, bucket]

    def rows(self, table: str) -> int:
        """Count the rows of a table."""
        return int(self.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608

    def close(self) -> None:
        self.writer.close()
        self.db.close()


@pytest.fixture
def policy(tmp_path: Path) -> LogPolicy:
    return LogPolicy(path=tmp_path / "folder" / "predictions.db", windows=(Window("5m", 300), Window("1h", 3600)))


@pytest.fixture
def log(policy: LogPolicy) -> Iterator[Log]:
    with closing(Log(policy)) as log:
        yield log
