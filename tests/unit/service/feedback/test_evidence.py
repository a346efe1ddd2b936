"""What a log tells of given answers: true classes, and what shadows said to the same frames."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.observers.feedback.database import LogFileError
from service.observers.feedback.evidence import Evidence, FrameClass, read_evidence
from tests.unit.service.feedback.conftest import Log, classifier, new_id, prediction


def test_labels_of_the_answers_asked_for_and_of_no_other(log: Log) -> None:
    known, unlabelled, other = log.answer(0, 1), log.answer(1), log.answer(2)
    log.report(known, "c")
    log.report(other, "a")
    found = read_evidence(log.policy.path, [known, unlabelled, new_id(0), "no id"])
    assert found == Evidence(labels={known: FrameClass(1, "c")})


def test_of_several_labels_of_one_answer_that_of_the_last_frame(log: Log) -> None:
    answer = log.answer(0, 1, 1, first_frame=4, sequence_id="stream")
    log.report(answer, "b", step=5)
    log.report(answer, "a", step=4)
    assert read_evidence(log.policy.path, [answer]).labels == {answer: FrameClass(5, "b")}


def test_what_each_shadow_said_at_the_last_frame_of_the_answer(log: Log) -> None:
    answer = prediction(log.by, 0, 1, first_frame=2, sequence_id="stream")
    log.write(answer)
    for version, said in ((2, 2), (3, 0)):
        shadow = classifier(version, classes=("a", "b", "z"))
        log.write(
            prediction(shadow, 0, said, first_frame=2, sequence_id="stream", prediction_id=answer.id), shadow=True
        )
    found = read_evidence(log.policy.path, [answer.id])
    assert found.shadows == {2: {answer.id: FrameClass(3, "z")}, 3: {answer.id: FrameClass(3, "a")}}
    assert found.labels == {}


def test_a_file_that_is_no_log_is_refused_and_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(LogFileError):
        read_evidence(tmp_path / "nowhere.db", [])
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "text").write_text("no database at all, but long enough to be one" * 20)
    with pytest.raises(LogFileError):
        read_evidence(tmp_path / "text", [])
