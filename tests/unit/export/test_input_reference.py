"""What an export says of the training frames, and what a pool makes of it: held-out data pass, and a gain doesn't."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from export.input_reference import refer_to
from models.data import Split, load
from service.observers.skew.inputs import input_probe, input_sums
from service.observers.skew.pool import Pool
from service.observers.skew.trust import Trust, trust_of
from soloist.v1.model_pb2 import Model

Frames = Sequence[npt.NDArray[Any]]


def split(sequences: Frames) -> Split:
    return Split(sequences=list(sequences), labels=np.zeros(len(sequences), np.int64))


def described(seen: Split, usual: Split, *, tokens: int = 0) -> Model:
    model = Model()
    model.signature.token_count = tokens
    model.signature.frames.shape[:] = [-1, -1] if tokens else [-1, -1, seen.sequences[0].shape[1]]
    refer_to(seen, usual, model)
    return model


def trust(model: Model, live: Frames) -> Trust:
    probe = input_probe(model)
    assert probe is not None
    pool = Pool(probe, half_life_seconds=60.0, clock=lambda: 0.0)
    for index, frames in enumerate(live):
        assert pool.add(str(index), len(frames), input_sums(frames, model))
    return trust_of(pool.read(), None)


@pytest.fixture(scope="module")
def vowels() -> Model:
    data = load("vowels")
    return described(data.train, data.test)


def test_it_has_the_moments_of_the_frames_of_training(vowels: Model) -> None:
    frames = np.concatenate(load("vowels").train.sequences).astype(np.float64)
    known = vowels.input_reference
    np.testing.assert_allclose(known.moments.mean, frames.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(known.moments.variance, frames.var(axis=0), rtol=1e-5)
    assert (known.sequences, known.held_out_sequences, known.quantile) == (270, 370, 0.99)


@pytest.mark.parametrize(("gain", "is_trusted"), [(1.0, True), (0.5, False), (2.0, False)])
def test_held_out_data_are_trusted_and_another_gain_is_not(vowels: Model, gain: float, is_trusted: bool) -> None:
    live = [gain * frames for frames in load("vowels").test.sequences[::3]]
    found = trust(vowels, live)
    assert found.is_trusted is is_trusted
    assert found.effective_sequences > 32


def test_other_text_than_in_training_is_not_trusted() -> None:
    rng = np.random.default_rng(0)

    def texts(low: int, high: int) -> list[npt.NDArray[Any]]:
        return [rng.integers(low, high, size=50) for _ in range(64)]

    model = described(split(texts(0, 8)), split(texts(0, 8)), tokens=16)
    assert trust(model, texts(0, 8)).is_trusted
    # Tokens that training never had: of some of the frames.
    assert (
        trust(model, [np.concatenate(pair) for pair in zip(texts(0, 8), texts(8, 9), strict=True)]).is_trusted is False
    )


def test_a_feature_that_never_varies_makes_no_drift() -> None:
    constant = split([np.ones((5, 2), np.float32)] * 16)
    model = described(constant, constant)
    assert trust(model, constant.sequences).input_drift == 0
    assert trust(model, [frames + 1 for frames in constant.sequences]).is_trusted is False


def test_frames_of_very_many_features_have_no_reference() -> None:
    wide = split([np.ones((2, 1025), np.float32)] * 2)
    assert not described(wide, wide).HasField("input_reference")
