"""What hypothesis draws for steps of several kinds."""

from __future__ import annotations

from hypothesis import strategies as st

ALL_TURNS = 100_000
MOST_STREAMS = 5

FRAMES = st.lists(st.integers(0, 3).map(float), min_size=1, max_size=5)
TURNS = st.sampled_from([ALL_TURNS, 0, 1, 2, 4])
WHICH = st.integers(0, MOST_STREAMS - 1)
# A server that ends at every other step has nothing to lose.
RARELY = st.sampled_from([*[False] * 9, True])
LIMIT = st.none() | st.sampled_from([0.5, 3.0])
