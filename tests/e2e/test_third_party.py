"""Models that others made and published answer as in a bare ONNX Runtime loop, however they are asked, to the bit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from demo.third_party.catalogue import MODELS
from demo.third_party.comparison import Comparison
from demo.third_party.run import compare, download_all
from tests.e2e.foreign_environment import or_skip


@pytest.fixture(scope="module")
def comparison_of() -> Callable[[str], Comparison]:
    """Compare all that can be had, once; a test whose model can't be had is skipped with the reason."""
    missing = download_all(MODELS)
    there = [model for model in MODELS if model.name not in missing]
    comparisons = {each.model.name: each for each in compare(there)} if there else {}

    def give(name: str) -> Comparison:
        if name in missing:
            or_skip(missing[name])
        return comparisons[name]

    return give


@pytest.mark.parametrize("name", [model.name for model in MODELS])
def test_no_bit_differs_from_the_bare_loop(comparison_of: Callable[[str], Comparison], name: str) -> None:
    assert [way for way in comparison_of(name).ways if not way.equal] == []


@pytest.mark.parametrize("name", [model.name for model in MODELS if model.in_sequences])
def test_a_lost_state_would_have_been_seen(comparison_of: Callable[[str], Comparison], name: str) -> None:
    assert comparison_of(name).lost_differs > 0
