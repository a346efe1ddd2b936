"""What becomes of resume tokens."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from bench.state_machine.draws import MOST_STREAMS, RARELY, TURNS
from bench.state_machine.stream_caller import StreamCaller
from bench.state_machine.token_wishes import SPOILT, WISH, Spoilt, TokenWish
from bench.state_machine.world import World


class TokenSteps(World):
    """Tokens continue sequences, new and old ones, whole and spoilt; keys change."""

    @precondition(lambda self: self._fleet.tokens and len(self._streams) < MOST_STREAMS)
    @rule(age=st.integers(0, 19), every_frame=st.booleans(), wish=WISH, spoilt=SPOILT, turns=TURNS)
    def continue_(self, age: int, every_frame: bool, wish: TokenWish, spoilt: Spoilt | None, turns: int) -> None:
        """Continue a sequence with a token, the last or an older one, on whichever server there is."""
        tokens = self._fleet.tokens
        token = tokens[-1 - age % len(tokens)]
        self._names += 1
        self._streams.append(
            StreamCaller(
                self._replica,
                f"stream {self._names}",
                every_frame=every_frame,
                seconds=None,
                wish=wish,
                brought=token,
                spoilt=spoilt,
            )
        )
        self._step("continue", turns)

    @rule(really=RARELY, removes=st.booleans())
    def rotate_keys(self, really: bool, removes: bool) -> None:
        """Let a new key seal, and keep the old ones or not."""
        if really:
            self._fleet.rotate(removes=removes)
            self._step("rotate keys", 0)
