"""What is sent depends on the scenario and its seed, on nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.data import Dataset
from simulation.demand import Demand, Request
from simulation.scenario import Scenario, ScenarioError, scenario


def made(**fields: Any) -> Scenario:
    shifts = fields.pop("shifts", ())
    return scenario({"model": "m", "task": "toy", "rate_per_second": 100, "seconds": 20, **fields}, shifts)


def requests(dataset: Dataset, **fields: Any) -> list[Request]:
    return list(Demand(made(**fields), dataset))


def number(request: Request) -> int:
    """Tell which sequence was sent; only of such as were not shifted."""
    return int(request.pieces[0][0, 0])


def same(one: Request, other: Request) -> bool:
    alike = (one.due_seconds, one.truth, one.labels, one.phase) == (
        *(other.due_seconds, other.truth, other.labels, other.phase),
    )
    return alike and [piece.tobytes() for piece in one.pieces] == [piece.tobytes() for piece in other.pieces]


def test_the_same_scenario_gives_the_same_requests_and_another_seed_others(dataset: Dataset) -> None:
    shifts = ["noise:deviations=1,begin_seconds=5", "concept:begin_seconds=10"]
    first = requests(dataset, shifts=shifts, stream_ratio=0.5)
    again = requests(dataset, shifts=shifts, stream_ratio=0.5)
    other = requests(dataset, shifts=shifts, stream_ratio=0.5, seed=1)
    assert all(same(one, two) for one, two in zip(first, again, strict=True))
    assert [request.due_seconds for request in other] != [request.due_seconds for request in first]


def test_arrivals_are_a_poisson_process(dataset: Dataset) -> None:
    gaps = np.diff([request.due_seconds for request in requests(dataset, seconds=100)])
    assert gaps.mean() == pytest.approx(0.01, rel=0.05)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.1)  # of an exponential distribution


def test_a_shift_leaves_the_draw_of_sequences_and_times_alone(dataset: Dataset) -> None:
    usual, shifted = requests(dataset), requests(dataset, shifts=["noise:deviations=1"])
    assert [request.due_seconds for request in usual] == [request.due_seconds for request in shifted]
    assert [request.truth for request in usual] == [request.truth for request in shifted]


def test_sequences_come_with_their_labels_and_parts_share_none(dataset: Dataset) -> None:
    first, second = ({number(r) for r in requests(dataset, part={"number": n, "of": 2})} for n in (1, 2))
    assert first | second == set(range(40))
    assert not first & second
    assert all(request.truth == number(request) % 4 for request in requests(dataset))


def test_streams_have_their_share_and_lose_no_frame(dataset: Dataset) -> None:
    sent = requests(dataset, stream_ratio=0.3, chunk_frames=7)
    assert np.mean([not request.whole for request in sent]) == pytest.approx(0.3, abs=0.05)
    for request in sent:
        whole = dataset.test.sequences[number(request)]
        assert np.concatenate(request.pieces).tobytes() == whole.tobytes()
        assert request.whole or all(len(piece) <= 7 for piece in request.pieces)


def test_shifts_come_and_go_on_schedule(dataset: Dataset) -> None:
    sent = requests(dataset, shifts=["gain:factor=1000,channel=2,begin_seconds=5,end_seconds=10"])
    for request in sent:
        shifted = np.abs(request.pieces[0][:, 2]).max() > 50
        assert shifted == (5 <= request.due_seconds < 10) == (request.phase == 1)


def test_a_class_mix_changes_how_often_classes_come(dataset: Dataset) -> None:
    sent = requests(dataset, shifts=["classes:weight.a=3,weight.b=0,begin_seconds=10"])
    late = [request.truth for request in sent if request.due_seconds >= 10]
    assert late.count(1) == 0
    assert late.count(0) / len(late) == pytest.approx(3 / 5, abs=0.05)
    assert [request.truth for request in sent if request.due_seconds < 10].count(1) > 0


def test_a_concept_shift_changes_the_truth_and_no_frame(dataset: Dataset) -> None:
    usual, shifted = requests(dataset), requests(dataset, shifts=["concept:begin_seconds=10"])
    for one, other in zip(usual, shifted, strict=True):
        assert one.pieces[0].tobytes() == other.pieces[0].tobytes()
        assert (one.truth != other.truth) == (one.due_seconds >= 10)
        assert all(label.class_index == other.truth for label in other.labels)


def test_labels_can_be_left_out(dataset: Dataset) -> None:
    assert not any(request.labels for request in requests(dataset, labels={"missing_ratio": 1.0}))


def test_an_endless_scenario_goes_on(dataset: Dataset) -> None:
    endless = iter(Demand(scenario({"model": "m", "task": "toy"}), dataset))
    due = [next(endless).due_seconds for _ in range(50)]
    assert due == sorted(due)


def test_what_leaves_no_sequence_is_refused(dataset: Dataset) -> None:
    nothing = ["classes:weight.a=0,weight.b=0,weight.c=0,weight.d=0"]
    with pytest.raises(ScenarioError, match="no sequence"):
        requests(dataset, shifts=nothing)


@pytest.mark.parametrize(
    ("shift", "reason"), [("classes:weight.z=1", "no such label"), ("gain:factor=2,channel=3", "no channel 3")]
)
def test_shifts_that_do_not_fit_the_data_are_refused(dataset: Dataset, shift: str, reason: str) -> None:
    with pytest.raises(ScenarioError, match=reason):
        Demand(made(shifts=[shift]), dataset)


def test_a_gain_makes_no_sense_of_tokens(tokens: Dataset) -> None:
    with pytest.raises(ScenarioError, match="gain needs numbers"):
        Demand(made(shifts=["gain:factor=2"]), tokens)
    assert len(requests(tokens, shifts=["stretch:least_factor=0.5,most_factor=2"])) > 0
