"""What is sent: from files, from signatures, and in which pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.load_generator.workload import WorkloadError, chunks, read_sequences, synthetic_sequences
from soloist.v1 import model_pb2, tensor_pb2

SEQUENCE = np.arange(20, dtype=np.float32).reshape(10, 2)


def manifest(data_type: tensor_pb2.DataType.ValueType, shape: list[int], token_count: int = 0) -> model_pb2.Model:
    frames = tensor_pb2.TensorSpec(name="frames", data_type=data_type, shape=shape)
    return model_pb2.Model(
        name="m",
        signature=model_pb2.Signature(frames=frames, token_count=token_count),
        training=model_pb2.Training(min_frames=3, max_frames=8),
    )


def test_an_npy_file_is_one_sequence_and_an_npz_one_an_array(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", SEQUENCE)
    np.savez(tmp_path / "two.npz", a=SEQUENCE, b=SEQUENCE[:4])
    assert [len(sequence) for sequence in read_sequences(tmp_path / "one.npy")] == [10]
    assert [len(sequence) for sequence in read_sequences(tmp_path / "two.npz")] == [10, 4]


def test_a_data_set_is_read_by_its_offsets(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", frames=SEQUENCE, offsets=np.array([0, 3, 10]), labels=np.array([1, 0]))
    read = read_sequences(tmp_path / "set.npz")
    assert np.array_equal(read[0], SEQUENCE[:3])
    assert np.array_equal(read[1], SEQUENCE[3:])
    assert len(read) == 2


@pytest.mark.parametrize("offsets", [[0, 11], [5, 3], [-1, 4], [0], [[0, 1]], [0.0, 3.0], [0, 0, 4]])
def test_offsets_that_are_none_are_refused(tmp_path: Path, offsets: list[int]) -> None:
    np.savez(tmp_path / "set.npz", frames=SEQUENCE, offsets=np.array(offsets))
    with pytest.raises(WorkloadError, match=r"offsets|not a sequence"):
        read_sequences(tmp_path / "set.npz")


@pytest.mark.parametrize("array", [np.zeros((0, 2)), np.zeros((1, 2, 3)), np.array(["text"])])
def test_arrays_that_are_no_sequence_are_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "bad.npy", array)
    with pytest.raises(WorkloadError, match="not a sequence"):
        read_sequences(tmp_path / "bad.npy")


def test_a_file_that_is_no_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "huge.npy", SEQUENCE)
    huge = (tmp_path / "huge.npy").read_bytes().replace(b"(10, 2), }" + b" " * 20, b"(%d, 2), }" % 10**21)
    for name, content in (("bad.npy", b"hello"), ("huge.npy", huge), ("bad.npz", b"PK\x03\x04hello")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WorkloadError, match="can't be read"):
            read_sequences(tmp_path / name)


def test_numbers_are_made_up_as_the_signature_says() -> None:
    made = synthetic_sequences(manifest(tensor_pb2.DATA_TYPE_FLOAT32, [-1, -1, 12]), seed=0)
    assert {(sequence.dtype, sequence.shape[1]) for sequence in made} == {(np.dtype(np.float32), 12)}
    assert {len(sequence) for sequence in made} <= set(range(3, 9))


def test_tokens_are_made_up_as_the_signature_says() -> None:
    made = synthetic_sequences(manifest(tensor_pb2.DATA_TYPE_INT64, [-1, -1], token_count=5), seed=0)
    assert {int(token) for sequence in made for token in sequence} == set(range(5))


@pytest.mark.parametrize(
    "made_of",
    [
        manifest(tensor_pb2.DATA_TYPE_FLOAT32, [-1, -1, 2**40]),
        manifest(tensor_pb2.DATA_TYPE_FLOAT32, [-1, -1, 2**62]),
    ],
)
def test_frames_that_no_memory_holds_are_not_made_up(made_of: model_pb2.Model) -> None:
    with pytest.raises(WorkloadError, match="sequences of up to 8 frames would take"):
        synthetic_sequences(made_of, seed=0)


def test_tokens_that_no_memory_holds_are_not_made_up() -> None:
    tokens = manifest(tensor_pb2.DATA_TYPE_INT64, [-1, -1], token_count=5)
    with pytest.raises(WorkloadError, match=r"sequences of up to 2147483647 frames would take 1024\.0 GiB"):
        synthetic_sequences(tokens, seed=0, frame_counts=(2**31 - 1, 2**31 - 1))


def test_frames_of_another_type_can_not_be_made_up() -> None:
    with pytest.raises(WorkloadError, match="give some in a file"):
        synthetic_sequences(manifest(tensor_pb2.DATA_TYPE_BOOL, [-1, -1, 2]), seed=0)


@pytest.mark.parametrize("chunk_frames", [None, 1, 3, 10, 99])
def test_chunks_together_are_the_sequence(chunk_frames: int | None) -> None:
    pieces = chunks(SEQUENCE, chunk_frames=chunk_frames, rng=np.random.default_rng(0))
    assert np.array_equal(np.concatenate(pieces), SEQUENCE)
    assert all(len(piece) for piece in pieces)


def test_chunks_have_the_length_asked_for() -> None:
    pieces = chunks(SEQUENCE, chunk_frames=4, rng=np.random.default_rng(0))
    assert [len(piece) for piece in pieces] == [4, 4, 2]
