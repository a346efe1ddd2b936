"""The parts of a comparison: what is varied and run, with whom, and how far apart answers are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from service.certificate.neighbours import drawn_like, scaled
from service.comparison import (
    BatchNeighbours,
    Chunked,
    Condition,
    Padded,
    Stopped,
    Trial,
    check,
    default_conditions,
    deviation,
    read,
    siblings,
    twin,
)
from service.comparison.conditions import MAX_CONDITIONS, MAX_NEIGHBOURS, MAX_RUN_FRAMES
from service.core.errors import Reason, ServiceError
from service.core.reasons.error_kind import ErrorKind
from service.engine.graph import Graph
from service.engine.runner import Runner
from service.engine.session import open_session
from service.loading.manifest import read_manifest
from service.loading.servable import Servable
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1.model_pb2 import Model, Provenance
from tests.batch_statistics import BatchStatistics
from tests.graphs import Sums

Numbers = npt.NDArray[Any]
SAMPLE = np.random.default_rng(3).normal(2, 5, size=(11, 2)).astype(np.float32)
# Sums of these are exact in every order.
WHOLE = np.arange(22, dtype=np.float32).reshape(11, 2)
EVERY_KIND: list[Condition] = [BatchNeighbours(count=3, scale=10.0), Padded(frames=20), Chunked(frames=4)]


def graph(path: Path) -> Graph:
    session = open_session(path)
    return Graph(session, read_manifest(session).signature)


def trial(sample: Numbers = SAMPLE, neighbours: int = 3, *, over: bool = False) -> Trial:
    return Trial(sample=sample, neighbours=drawn_like(sample, neighbours, seed=0), is_over=lambda: over)


def entry(name: str, *, version: int = 1, **changes: object) -> Servable:
    manifest = Sums(name=name).manifest
    reported = {"task": "vowels", "architecture": "tcn", "norm": "layer"} | changes
    manifest.MergeFrom(Model(**reported))  # type: ignore[arg-type]
    runner = cast("Runner", None)  # nothing here runs
    return Servable(
        name=name, version=version, manifest=manifest, runner=runner, certificate="", batched=False, sliced=False
    )


# Conditions


def test_conditions_survive_their_messages() -> None:
    assert read([each.to_message() for each in EVERY_KIND]) == EVERY_KIND


def test_a_scale_that_is_not_said_is_one() -> None:
    assert read([pb.Condition(neighbours=pb.BatchNeighbours(count=2))]) == [BatchNeighbours(count=2, scale=1.0)]
    assert read([pb.Condition(neighbours=pb.BatchNeighbours(count=2, scale=0))]) == [
        BatchNeighbours(count=2, scale=0.0)
    ]


def test_the_usual_conditions_vary_everything() -> None:
    usual = default_conditions(20, has_scale=True, neighbour_lengths=[], max_frames=100, max_run_frames=10_000)
    assert len([each for each in usual if isinstance(each, BatchNeighbours)]) == 9
    assert usual[-3:] == [Padded(frames=40), Chunked(frames=1), Chunked(frames=7)]


def test_the_usual_conditions_keep_within_bounds() -> None:
    usual = default_conditions(1000, has_scale=True, neighbour_lengths=[], max_frames=1500, max_run_frames=10_000)
    assert {each.count for each in usual if isinstance(each, BatchNeighbours)} == {1, 7}
    assert not any(isinstance(each, Padded) for each in usual)


def test_tokens_and_neighbours_that_were_sent_have_one_scale() -> None:
    tokens = default_conditions(20, has_scale=False, neighbour_lengths=[], max_frames=100, max_run_frames=10_000)
    sent = default_conditions(20, has_scale=True, neighbour_lengths=[5, 9], max_frames=100, max_run_frames=10_000)
    assert [each for each in tokens if isinstance(each, BatchNeighbours)] == [
        BatchNeighbours(count=n) for n in (1, 7, 31)
    ]
    assert [each for each in sent if isinstance(each, BatchNeighbours)] == [BatchNeighbours(count=2)]


@pytest.mark.parametrize(
    ("conditions", "reason", "field"),
    [
        ([BatchNeighbours(count=0)], Reason.COMPARISON_OUT_OF_RANGE, "mates.count"),
        ([BatchNeighbours(count=MAX_NEIGHBOURS + 1)], Reason.COMPARISON_OUT_OF_RANGE, "mates.count"),
        ([BatchNeighbours(count=1, scale=-1.0)], Reason.COMPARISON_OUT_OF_RANGE, "mates.scale"),
        ([BatchNeighbours(count=1, scale=float("nan"))], Reason.COMPARISON_OUT_OF_RANGE, "mates.scale"),
        ([BatchNeighbours(count=1, scale=float("inf"))], Reason.COMPARISON_OUT_OF_RANGE, "mates.scale"),
        ([Padded(frames=10)], Reason.COMPARISON_OUT_OF_RANGE, "padded_frames"),
        ([Padded(frames=MAX_RUN_FRAMES + 1)], Reason.COMPARISON_OUT_OF_RANGE, "padded_frames"),
        ([Chunked(frames=0)], Reason.COMPARISON_OUT_OF_RANGE, "chunk_frames"),
        ([Chunked(frames=12)], Reason.COMPARISON_OUT_OF_RANGE, "chunk_frames"),
        ([Chunked(frames=1)] * (MAX_CONDITIONS + 1), Reason.COMPARISON_OUT_OF_RANGE, "conditions"),
    ],
)
def test_a_number_out_of_range_is_named(conditions: list[Condition], reason: ErrorKind, field: str) -> None:
    with pytest.raises(ServiceError) as caught:
        check(conditions, length=11, neighbour_lengths=[], max_frames=MAX_RUN_FRAMES, has_scale=True, models=1)
    assert (caught.value.reason, caught.value.facts["field"]) == (reason, field)


def test_tokens_have_no_scale_and_sent_neighbours_are_counted() -> None:
    for condition, neighbour_lengths in ((BatchNeighbours(count=1, scale=2.0), []), (BatchNeighbours(count=3), [5, 5])):
        with pytest.raises(ServiceError) as caught:
            check([condition], length=5, neighbour_lengths=neighbour_lengths, max_frames=9, has_scale=False, models=1)
        assert caught.value.reason is Reason.COMPARISON_OUT_OF_RANGE


@pytest.mark.parametrize(
    ("length", "conditions", "models", "scope"),
    [
        (2000, [BatchNeighbours(count=40)], 1, "one run"),
        (60_000, [Chunked(frames=10)] * 10, 4, "the comparison"),
    ],
)
def test_too_much_is_refused(length: int, conditions: list[Condition], models: int, scope: str) -> None:
    with pytest.raises(ServiceError) as caught:
        check(conditions, length=length, neighbour_lengths=[], max_frames=100_000, has_scale=True, models=models)
    assert (caught.value.reason, caught.value.facts["scope"]) == (Reason.COMPARISON_TOO_LARGE, scope)


# Mates


def test_neighbours_are_ordinary_beside_the_sample() -> None:
    sample = np.random.default_rng(0).normal([100, -3], [2, 50], size=(400, 2)).astype(np.float32)
    (neighbour,) = drawn_like(sample, 1, seed=1)
    assert (neighbour.shape, neighbour.dtype) == (sample.shape, sample.dtype)
    np.testing.assert_allclose(neighbour.std(axis=0), sample.std(axis=0), rtol=0.2)
    np.testing.assert_allclose(neighbour.mean(axis=0), sample.mean(axis=0), atol=10)


def test_the_first_neighbours_are_the_same_however_many_there_are() -> None:
    few, many, other = drawn_like(SAMPLE, 2, seed=5), drawn_like(SAMPLE, 9, seed=5), drawn_like(SAMPLE, 2, seed=6)
    assert [neighbour.tobytes() for neighbour in few] == [neighbour.tobytes() for neighbour in many[:2]]
    assert few[0].tobytes() != other[0].tobytes()


def test_a_neighbour_differs_from_a_sample_that_does_not_vary() -> None:
    (neighbour,) = drawn_like(np.ones((1, 2), np.float32), 1, seed=0)
    assert (neighbour != 1).all()


def test_tokens_are_drawn_from_the_sample() -> None:
    tokens = np.array([7, 250, 7, 3])
    neighbours = drawn_like(tokens, 20, seed=0)
    assert {int(token) for neighbour in neighbours for token in neighbour} == {3, 7, 250}
    assert all(neighbour.shape == (4,) for neighbour in neighbours)


def test_a_loud_neighbour_stays_finite() -> None:
    neighbour = np.full((2, 2), 1e38, np.float32)
    assert scaled(neighbour, 1) is neighbour
    assert np.isfinite(scaled(neighbour, 1e6)).all()
    assert not scaled(neighbour, 0).any()


# Runs


@pytest.mark.parametrize("condition", EVERY_KIND, ids=repr)
def test_a_model_that_keeps_its_bits_shows_zero(tmp_path: Path, condition: Condition) -> None:
    sums, one = graph(Sums(name="sums").write(tmp_path)), trial(WHOLE)
    assert one.why_not(sums, condition) == ""
    found = deviation(one.alone(sums), one.run(sums, condition))
    assert (found.differing, found.compared, found.max_ulp, found.max_abs) == (0, WHOLE.size, 0, 0.0)


def test_a_model_that_adds_in_another_order_when_cut_is_found_out(tmp_path: Path) -> None:
    sums, one = graph(Sums(name="sums").write(tmp_path)), trial()
    found = deviation(one.alone(sums), one.run(sums, Chunked(frames=4)))
    assert found.differing > 0
    assert 0 < found.max_abs < 1e-4


def test_statistics_of_the_batch_depend_on_neighbours_and_not_on_padding(tmp_path: Path) -> None:
    control, one = graph(BatchStatistics(name="control").write(tmp_path)), trial()
    alone = one.alone(control)
    for scale in (1.0, 100.0):
        assert deviation(alone, one.run(control, BatchNeighbours(count=3, scale=scale))).max_ulp > 1000  # no rounding
    assert deviation(alone, one.run(control, Padded(frames=40))).max_abs < 1e-4


@pytest.mark.parametrize("condition", [BatchNeighbours(count=3), Padded(frames=20), Chunked(frames=4)], ids=repr)
def test_tokens_are_run_too(tmp_path: Path, condition: Condition) -> None:
    letters = graph(Sums(name="letters", token_count=256).write(tmp_path))
    one = trial(np.frombuffer(b"as it is said", np.uint8).astype(np.int64))
    assert deviation(one.alone(letters), one.run(letters, condition)).differing == 0


def test_neighbours_of_other_lengths_share_the_batch(tmp_path: Path) -> None:
    sums = graph(Sums(name="sums").write(tmp_path))
    neighbours = [np.ones((length, 2), np.float32) for length in (3, 30)]
    one = Trial(sample=SAMPLE, neighbours=neighbours, is_over=lambda: False)
    assert deviation(one.alone(sums), one.run(sums, BatchNeighbours(count=2))).differing == 0


def test_a_model_without_states_is_not_cut(tmp_path: Path) -> None:
    control = graph(BatchStatistics(name="control").write(tmp_path))
    assert "from chunk to chunk" in trial().why_not(control, Chunked(frames=4))
    assert trial().why_not(control, Chunked(frames=len(SAMPLE))) == ""


def test_a_model_without_lengths_is_not_padded(tmp_path: Path) -> None:
    sums = graph(Sums(name="sums").write(tmp_path))
    sums.signature.ClearField("length")
    ragged = Trial(sample=SAMPLE, neighbours=[np.ones((3, 2), np.float32)], is_over=lambda: False)
    assert "lengths" in trial().why_not(sums, Padded(frames=20))
    assert "lengths" in ragged.why_not(sums, BatchNeighbours(count=1))
    assert trial().why_not(sums, BatchNeighbours(count=1)) == ""


@pytest.mark.parametrize("condition", EVERY_KIND, ids=repr)
def test_nothing_runs_for_a_caller_who_has_gone(tmp_path: Path, condition: Condition) -> None:
    with pytest.raises(Stopped):
        trial(over=True).run(graph(Sums(name="sums").write(tmp_path)), condition)


# Distances


def test_outputs_are_counted_by_their_bits() -> None:
    reference = np.array([[1, 2], [0.0, 4]], np.float32)
    found = np.array([[1, np.nextafter(np.float32(2), np.float32(3))], [-0.0, 4]], np.float32)
    apart = deviation(reference, found)
    assert (apart.differing, apart.compared, apart.max_ulp) == (2, 4, 1)
    assert apart.max_abs == float(found[0, 1] - reference[0, 1])


def test_what_is_not_finite_is_infinitely_far() -> None:
    reference = np.array([[1, np.nan]], np.float32)
    assert deviation(reference, reference).differing == 0
    assert deviation(reference, np.array([[2, np.nan]], np.float32)).max_abs == float("inf")


# Who is compared


def test_siblings_differ_in_the_normaliser_alone() -> None:
    model = entry("m", norm="rms")
    others = [
        entry("z-control", norm="batch_current", control=True),
        entry("batch", norm="batch", precision="float32"),
        entry("layer"),
        entry("layer", version=2),
        model,
        entry("none", norm="none"),
        entry("other-task", task="digits"),
        entry("other-architecture", architecture="lstm"),
        entry("int8", precision="int8-static"),
        entry("short", max_frames=5),
    ]
    found = siblings(model, others, length=6)
    assert [(each.name, each.version) for each in found] == [("layer", 2), ("batch", 1), ("z-control", 1)]


def test_a_control_with_statistics_of_other_data_is_compared_when_named_only() -> None:
    wrong = entry("batch-shifted", norm="batch", control=True)
    wrong.manifest.provenance.recalibration.sequences = 8
    recalibrated = entry("batch", norm="batch")
    recalibrated.manifest.provenance.recalibration.sequences = 8
    assert [each.name for each in siblings(entry("m"), [wrong, recalibrated], length=6)] == ["batch"]


def test_models_that_take_other_frames_are_no_siblings() -> None:
    other = entry("other")
    other.manifest.signature.frames.shape[2] = 5
    assert siblings(entry("m"), [other], length=6) == []


def test_at_most_so_many_siblings_are_found() -> None:
    assert len(siblings(entry("m"), [entry(f"layer-{index}") for index in range(20)], length=6)) == 7


def test_the_twin_of_a_control_has_its_weights() -> None:
    same, other = Provenance(checkpoint_sha256="a"), Provenance(checkpoint_sha256="b")
    running, stranger = entry("running", provenance=same), entry("stranger", provenance=other)
    control = entry("control", control=True, provenance=same)
    assert twin(control, [control, stranger, running]) is running
    assert twin(control, [control, stranger]) is None
    assert twin(running, [control, running]) is None
    assert twin(entry("unknown", control=True), [entry("unknown too")]) is None
