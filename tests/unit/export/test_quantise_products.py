from __future__ import annotations

import numpy as np
import pytest

from export.quantise.products import in_products
from tests.unit.export.quantise_graphs import FEATURES, HIDDEN, gemm, lstm, normal, operators, run


@pytest.mark.parametrize("identity", [False, True])
def test_an_lstm_becomes_products_and_a_scan_with_the_same_answers(identity: bool) -> None:
    model = lstm(identity=identity)
    unrolled = in_products(model)
    assert "LSTM" not in operators(unrolled)
    assert ("MatMul" in operators(unrolled)) != identity  # what is multiplied by one is not multiplied
    length = np.array([7, 1, 4], np.int32)
    x = normal(7, 3, 4 * HIDDEN if identity else FEATURES)
    for row, frames in enumerate(length):
        x[frames:, row] = np.nan
    feed = {"x": x, "length": length, "h": normal(1, 3, HIDDEN), "c": normal(1, 3, HIDDEN, seed=1)}
    (y, h, c), (unrolled_y, unrolled_h, unrolled_c) = run(model, **feed), run(unrolled, **feed)
    assert unrolled_y.shape == y.shape
    np.testing.assert_allclose(unrolled_h, h, atol=1e-5)
    np.testing.assert_allclose(unrolled_c, c, atol=1e-5)
    for row, frames in enumerate(length):
        np.testing.assert_allclose(unrolled_y[:frames, :, row], y[:frames, :, row], atol=1e-5)


def test_an_lstm_of_another_form_stays() -> None:
    assert "LSTM" in operators(in_products(lstm(direction="reverse")))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_a_gemm_becomes_a_product(transposed: bool, bias: bool) -> None:
    model = gemm(transposed=transposed, bias=bias)
    changed = in_products(model)
    assert operators(changed) == ({"MatMul", "Add"} if bias else {"MatMul"})
    x = normal(6, 3, seed=1)
    np.testing.assert_allclose(run(changed, x=x)[0], run(model, x=x)[0], atol=1e-5)


def test_the_model_given_is_not_changed() -> None:
    model = lstm()
    before = model.SerializeToString(deterministic=True)
    in_products(model)
    assert model.SerializeToString(deterministic=True) == before
