"""The parts of the certificate: comparison of bits, drawing of numbers, schedules, and the making small of failures."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.certificate import fingerprint_here
from service.certificate.cases import GARBAGE, NAN, ZEROS, Case, Scope, cases
from service.certificate.difference import difference, max_absolute, max_scaled, max_ulp, same_bits
from service.certificate.neighbours import Neighbours
from service.certificate.sequence_generator import SequenceGenerator, misaligned
from service.certificate.tally import shrink
from service.engine.row import Row
from soloist.v1 import certificate_pb2 as pb
from soloist.v1 import tensor_pb2
from soloist.v1.model_pb2 import Signature
from soloist.v1.tensor_pb2 import TensorSpec
from tests.graphs import Sums
from tests.servables import GatedRunner

EVERYTHING = Scope(batching=True, padding=True, chunking=True, max_frames=200)
NUMBERS = Signature(frames=TensorSpec(name="x", data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=[-1, -1, 5]))
TOKENS = Signature(
    frames=TensorSpec(name="x", data_type=tensor_pb2.DATA_TYPE_INT64, shape=[-1, -1]), token_count=7
)  # fmt: skip


def f32(*values: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array(values, np.float32)


def test_equal_bits_are_no_difference() -> None:
    assert difference("y", f32(1, -2, 0), f32(1, -2, 0)) is None


def test_signed_zeros_differ_by_a_unit_that_rounding_explains() -> None:
    found = difference("y", f32(1, 0.0), f32(1, -0.0))
    assert found is not None
    assert found.is_rounding
    assert found.absolute == 0.0


def test_nan_is_never_equal() -> None:
    found = difference("y", f32(np.nan), f32(np.nan))
    assert found is not None
    assert not found.is_rounding


def test_where_nan_may_be_the_answer_its_bits_decide() -> None:
    assert difference("y", f32(np.nan), f32(np.nan), nan_is_equal=True) is None
    assert difference("y", f32(np.nan), f32(1), nan_is_equal=True) is not None


def test_bits_are_of_a_shape() -> None:
    assert same_bits(f32(1, np.nan), f32(1, np.nan))
    assert not same_bits(f32(0.0), f32(-0.0))
    assert not same_bits(f32(1, 2), f32(1, 2).reshape(1, 2))


def test_the_largest_difference_is_scaled_only_where_values_are_large() -> None:
    assert (max_absolute(f32(1, -2), f32(1.5, -2)), max_scaled(f32(0.5, 0), f32(0.25, 0))) == (0.5, 0.25)
    assert max_scaled(f32(100, 0), f32(100, 1)) == pytest.approx(0.01)
    assert np.isnan([max_absolute(f32(1), f32(np.nan)), max_scaled(f32(np.nan), f32(1))]).all()


def test_neighbours_are_one_unit_apart_across_all_of_float32() -> None:
    for value in (1.0, -1.0, 1e-30, 3e38, 1e-45):
        x = np.float32(value)
        assert max_ulp(f32(float(x)), f32(float(np.nextafter(x, np.float32(np.inf))))) == 1
    assert max_ulp(f32(-1e-45), f32(1e-45)) == 2


def test_a_large_difference_is_not_rounding() -> None:
    found = difference("y", f32(1, 100), f32(1.5, 100))
    assert found is not None
    assert not found.is_rounding
    assert found.absolute == pytest.approx(0.5)


def test_whole_numbers_that_differ_are_never_rounding() -> None:
    found = difference("count", np.array([3]), np.array([4]))
    assert found is not None
    assert (found.ulp, found.is_rounding) == (1, False)


def test_a_misaligned_copy_holds_the_same_numbers_at_an_odd_address() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    copy = misaligned(array)
    assert np.array_equal(copy, array)
    assert copy.ctypes.data % 16 != 0
    assert copy.flags["C_CONTIGUOUS"]


def test_numbers_are_scaled_and_padding_is_what_it_says() -> None:
    generator, rng = SequenceGenerator(NUMBERS), np.random.default_rng(0)
    assert generator.rows(rng, 2, 3, 0.0).tolist() == np.zeros((2, 3, 5)).tolist()
    assert np.abs(generator.rows(rng, 2, 300, 100.0)).mean() > 50
    assert np.isnan(generator.padding(rng, (2, 3), NAN)).all()
    assert not generator.padding(rng, (2, 3), ZEROS).any()
    assert np.abs(generator.padding(rng, (2, 3), GARBAGE)).max() > 1e20


def test_tokens_stay_within_those_the_model_knows() -> None:
    generator, rng = SequenceGenerator(TOKENS), np.random.default_rng(0)
    drawn = [generator.sequence(rng, 50), generator.padding(rng, (4, 9), NAN).ravel()]
    assert all(tokens.min() >= 0 and tokens.max() < 7 for tokens in drawn)


def test_samples_are_tested_too_and_repeated_where_they_are_short() -> None:
    sample = np.arange(10, dtype=np.float32).reshape(2, 5)
    generator, rng = SequenceGenerator(NUMBERS, [sample]), np.random.default_rng(0)
    drawn = [generator.sequence(rng, 3) for _ in range(50)]
    assert any(np.array_equal(sequence, sample[[0, 1, 0]]) for sequence in drawn)
    assert not all(np.array_equal(sequence, sample[[0, 1, 0]]) for sequence in drawn)


def test_the_schedule_covers_what_is_known_to_break() -> None:
    tried = list(islice(cases(EVERYTHING, seed=0), 400))
    assert {1, 3, 7, 11, 15} <= {case.length for case in tried}
    assert any(case.chunks == (1,) * case.length and case.length > 20 for case in tried)
    assert {case.padding for case in tried if case.padding_frames} == {ZEROS, GARBAGE, NAN}
    assert {case.neighbour_scale for case in tried if case.batch_size > 1} == {1.0, 100.0, 0.0}
    assert {2, 64} <= {case.batch_size for case in tried}
    assert any(case.misaligned for case in tried)
    assert any(len(case.dimensions()) == 3 for case in tried)


def test_a_model_of_one_row_a_run_gets_no_neighbours() -> None:
    tried = list(islice(cases(Scope(batching=False, padding=True, chunking=True, max_frames=20), seed=0), 300))
    assert {case.batch_size for case in tried} == {1}
    assert {pb.DIMENSION_PADDING, pb.DIMENSION_CHUNKING} == {each for case in tried for each in case.dimensions()}


def test_a_case_of_runs_is_cut_between_them() -> None:
    case = Case(seed=1, chunks=(2, 1), batch_size=3, padding_frames=1)
    assert (case.times(4).chunks, case.times(4).padding_frames, case.times(1)) == ((8, 4), 4, case)


def test_the_schedule_keeps_within_its_scope() -> None:
    scope = Scope(batching=True, padding=False, chunking=False, max_frames=16)
    for case in islice(cases(scope, seed=1), 300):
        assert case.length <= 16
        assert case.padding_frames == 0
        assert len(case.chunks) == 1


def test_the_same_seed_gives_the_same_schedule() -> None:
    first, again = (list(islice(cases(EVERYTHING, seed=3), 300)) for _ in range(2))
    other = list(islice(cases(EVERYTHING, seed=4), 300))
    assert first == again
    assert first != other


def test_a_case_survives_its_message() -> None:
    for case in islice(cases(EVERYTHING, seed=0), 300):
        found = Case.from_message(case.to_message(tensor="y"))
        assert (found.seed, found.chunks, found.padding_frames) == (case.seed, case.chunks, case.padding_frames)
        assert found.dimensions() == case.dimensions()


@given(st.integers(0, 10_000))
def test_a_failure_is_made_small_and_still_fails(seed: int) -> None:
    (case,) = islice((c for c in cases(EVERYTHING, seed) if len(c.chunks) > 1), 1)
    small = shrink(case, lambda each: len(each.chunks) > 1)
    assert small.dimensions() == [pb.DIMENSION_CHUNKING]
    assert small.chunks == (1, 1)


def test_something_stays_varied() -> None:
    case = Case(seed=0, chunks=(3, 4), batch_size=5, padding_frames=2, padding=NAN)
    assert shrink(case, lambda _: True).dimensions()


def test_the_fingerprint_names_processor_and_runtime() -> None:
    found = fingerprint_here()
    assert found == fingerprint_here()
    assert found.cpu_model
    assert found.runtime_version
    assert any(option == "intra_op_num_threads=1" for option in found.session_options)


def test_neighbours_are_in_the_midst_of_their_sequences_and_drawn_from_the_seed() -> None:
    def drawn(seed: int) -> list[Row]:
        runner: Any = GatedRunner()
        generator = SequenceGenerator(Sums(name="m", features=1).manifest.signature)
        rng = np.random.default_rng(seed)
        ones = Neighbours(runner=runner, generator=generator, rng=rng, most_runs_before=8)
        return [ones.row(3, scale=2.0) for _ in range(10)]

    rows, again, others = drawn(1), drawn(1), drawn(2)
    assert all(row.frames.shape == (3, 1) for row in rows)
    assert len({row.states["sum"].tobytes() for row in rows}) > 5
    assert [row.frames.tobytes() for row in rows] == [row.frames.tobytes() for row in again]
    assert rows[0].frames.tobytes() != others[0].frames.tobytes()
