"""The checked-in data sets are what their SOURCE.md says."""

from __future__ import annotations

import numpy as np
import pytest

from models.data import TASKS, DataError, Dataset, Split, load
from models.data.tasks import FOLDER

LATIN, CYRILLIC, ARABIC, DEVANAGARI = {"en", "fr", "vi"}, {"ru", "uk", "bg"}, {"ar", "fa"}, {"hi", "mr"}


@pytest.fixture(scope="module", params=sorted(TASKS))
def dataset(request: pytest.FixtureRequest) -> Dataset:
    return load(request.param)


@pytest.fixture(scope="module")
def languages() -> Dataset:
    return load("languages")


@pytest.mark.parametrize(
    ("task", "train", "test", "labels"),
    [
        ("vowels", 270, 370, 9),
        ("digits", 2400, 600, 10),
        ("languages", 1394, 238, 34),
    ],
)
def test_counts(task: str, train: int, test: int, labels: int) -> None:
    dataset = load(task)
    assert (len(dataset.train), len(dataset.test), len(dataset.spec.labels)) == (train, test, labels)


def test_the_source_file_states_the_checksum(dataset: Dataset) -> None:
    assert dataset.sha256 in (FOLDER / dataset.name / "SOURCE.md").read_text()


def test_shapes_and_types(dataset: Dataset) -> None:
    spec = dataset.spec
    dtype, tail = (np.float32, (spec.feature_count,)) if spec.frames == "features" else (np.int64, ())
    for split in (dataset.train, dataset.test):
        assert {sequence.dtype for sequence in split.sequences} == {np.dtype(dtype)}
        assert {sequence.shape[1:] for sequence in split.sequences} == {tail}
        assert min(len(sequence) for sequence in split.sequences) >= 1
        assert all(np.isfinite(sequence).all() for sequence in split.sequences)
        assert len(split.sequences) == len(split.labels) == len(split.groups) == len(split.characters)


def test_every_label_is_on_both_sides(dataset: Dataset) -> None:
    every = set(range(len(dataset.spec.labels)))
    assert set(dataset.train.labels.tolist()) == set(dataset.test.labels.tolist()) == every


def test_no_sequence_is_on_both_sides(dataset: Dataset) -> None:
    train, test = ({sequence.tobytes() for sequence in split.sequences} for split in (dataset.train, dataset.test))
    assert not train & test
    assert not set(dataset.train.groups.tolist()) & set(dataset.test.groups.tolist())


def test_digits_are_split_evenly() -> None:
    dataset = load("digits")
    assert np.bincount(dataset.train.labels).tolist() == [240] * 10
    assert np.bincount(dataset.test.labels).tolist() == [60] * 10


def test_languages_hold_out_the_same_articles_everywhere(languages: Dataset) -> None:
    held_out = {
        label: set(languages.test.groups[languages.test.labels == label].tolist())
        for label in range(len(languages.spec.labels))
    }
    assert set(map(frozenset, held_out.values())) == {frozenset({0, 5, 10, 15, 20, 25, 30})}
    assert {int(group) % 5 for group in languages.train.groups} == {1, 2, 3, 4}


def test_languages_have_many_scripts_and_long_articles_of_each(languages: Dataset) -> None:
    labels = languages.spec.labels
    assert set(labels) >= LATIN | CYRILLIC | ARABIC | DEVANAGARI | {"el", "he", "ka", "th", "zh", "ja", "ko"}
    long_enough = languages.test.characters >= 200
    assert long_enough.sum() == 121
    assert set(languages.test.labels[long_enough].tolist()) == set(range(len(labels)))


def test_language_tokens_are_the_bytes_of_the_text(languages: Dataset) -> None:
    for tokens, characters in zip(languages.test.sequences, languages.test.characters, strict=True):
        assert len(bytes(tokens.tolist()).decode("utf8")) == characters


def test_select_keeps_order_and_what_belongs_together(languages: Dataset) -> None:
    chosen = languages.test.select([5, 2])
    assert chosen.sequences[0] is languages.test.sequences[5]
    assert chosen.labels.tolist() == languages.test.labels[[5, 2]].tolist()
    assert chosen.groups.tolist() == languages.test.groups[[5, 2]].tolist()
    bare = Split(sequences=chosen.sequences, labels=chosen.labels).select([1])
    assert (len(bare), len(bare.groups), len(bare.characters)) == (1, 0, 0)


def test_an_unknown_task_names_those_there_are() -> None:
    with pytest.raises(DataError, match="vowels, digits, languages"):
        load("faces")
