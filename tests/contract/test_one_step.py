"""A recurrence without its Scan gives the Scan's bits for single steps, alone and in batches."""

from __future__ import annotations

import pytest

from export.one_step_cost import BRANCHED, NORMS, ONE_STEP, SCAN, forms, inputs


@pytest.mark.parametrize("norm", NORMS)
def test_one_step_has_the_bits_of_a_scan(norm: str) -> None:
    graphs = forms(norm, 13)
    for rows in (1, 2, 3, 8, 17, 32):
        fed = inputs(graphs[SCAN], rows, 1)
        outputs, states = graphs[SCAN].run(*fed)
        for form in (ONE_STEP, BRANCHED):
            found, following = graphs[form].run(*fed)
            assert outputs.tobytes() == found.tobytes()
            assert all(state.tobytes() == following[name].tobytes() for name, state in states.items())
