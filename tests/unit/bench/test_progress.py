"""The bar is for terminals only."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench.load_generator.progress import progress


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_is_shown_on_a_terminal_and_nothing_elsewhere(terminal: bool) -> None:
    shown = io.StringIO()
    with progress(Console(file=shown, force_terminal=terminal, width=80), 10.0) as begin:
        begin("vowels: 10 s")
    assert ("vowels: 10 s" in shown.getvalue()) is terminal
    assert bool(shown.getvalue()) is terminal
