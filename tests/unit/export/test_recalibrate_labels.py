"""What is known of a recalibration's sample: labels as a server would take them, and what a shadow said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from export.errors import ExportError
from export.recalibrate.known import Judgements, Known, judged, judgements, read_labels
from service.observers.feedback.policy import LogPolicy
from soloist import SampledSequence
from tests.unit.service.feedback.conftest import Log, classifier, prediction

CLASSES = ("one", "two")


def _file(folder: Path, *lines: str) -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join(("prediction_id,label", *lines)))
    return path


def test_the_first_label_of_an_answer_stands(tmp_path: Path) -> None:
    assert read_labels(_file(tmp_path, "a,two", "b,one", "a,one"), CLASSES) == {"a": 1, "b": 0}


def test_a_label_that_is_no_class(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="three"):
        read_labels(_file(tmp_path, "a,three"), CLASSES)


def test_a_file_without_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("prediction_id,class_index\na,1\n")
    with pytest.raises(ExportError, match="prediction_id and label"):
        read_labels(path, CLASSES)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """Hold the log of a version whose classes are "one" and "two"."""
    with closing(Log(LogPolicy(path=tmp_path / "predictions.db"), by=classifier(classes=CLASSES))) as log:
        yield log


def sampled(*answers: str, frames: int = 6) -> SampledSequence:
    return SampledSequence(
        sequence_id=answers[0],
        first_seen_seconds=0,
        last_seen_seconds=0,
        frames=np.arange(frames, dtype=np.float32)[:, None],
        prediction_ids=answers,
    )


def test_the_log_s_labels_stand_before_those_of_a_file(log: Log) -> None:
    both, filed = log.answer(0, 1), log.answer(0)
    log.report(both, "two")
    sample = [sampled(both), sampled(filed), sampled("of another server")]
    known = judgements(sample, CLASSES, log=log.policy.path, labels={both: 0, filed: 1})
    assert known.labels == {both: Known(1, 1), filed: Known(1)}
    assert judgements(sample, CLASSES, log=None, labels={}) == Judgements()


def test_the_shadow_that_answered_most_is_the_one(log: Log) -> None:
    answers = [prediction(log.by, 0) for _ in range(3)]
    log.write(*answers)
    for version, count in ((2, 1), (5, 2)):
        shadow = classifier(version, classes=("two", "else"))
        log.write(*(prediction(shadow, 0, prediction_id=each.id) for each in answers[:count]), shadow=True)
    known = judgements([sampled(each.id) for each in answers], CLASSES, log=log.policy.path, labels={})
    assert known.shadow_version == 5
    assert known.shadow == {each.id: Known(1, 0) for each in answers[:2]}


def test_a_class_that_the_version_does_not_have_is_not_known(log: Log) -> None:
    answer = prediction(log.by, 0)
    log.write(answer)
    log.write(prediction(classifier(2, classes=("three", "four")), 0, prediction_id=answer.id), shadow=True)
    assert judgements([sampled(answer.id)], CLASSES, log=log.policy.path, labels={}).shadow == {}


def test_a_sequence_is_judged_at_the_frame_whose_class_is_known() -> None:
    known = {"early": Known(0, 1), "late": Known(1, 3), "filed": Known(1), "cut off": Known(0, 9)}
    found = judged([sampled("early", "late"), sampled("filed"), sampled("cut off"), sampled("unknown")], known)
    assert [len(frames) for frames in found.frames] == [4, 6]
    assert found.classes.tolist() == [1, 1]
