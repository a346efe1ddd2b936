"""Which tokens a caller asks for, and how one may spoil the token that it brings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hypothesis import strategies as st

from soloist.v1 import sequence_inference_pb2 as pb


@dataclass(frozen=True)
class TokenWish:
    """When tokens come, and after how many frames."""

    when: pb.ResumeTokens.ValueType = pb.RESUME_TOKENS_UNSPECIFIED
    frames: int = 0

    @property
    def has_tokens(self) -> bool:
        """Return whether there are any."""
        return self.when != pb.RESUME_TOKENS_UNSPECIFIED

    @property
    def with_answers(self) -> bool:
        """Return whether they come with answers."""
        return self.when == pb.RESUME_TOKENS_WITH_ANSWERS


NO_TOKENS = TokenWish()
WISH = st.sampled_from(
    [
        NO_TOKENS,
        TokenWish(pb.RESUME_TOKENS_AT_END),
        TokenWish(pb.RESUME_TOKENS_WITH_ANSWERS),
        TokenWish(pb.RESUME_TOKENS_WITH_ANSWERS, 4),
    ]
)


class Spoilt(Enum):
    """What is wrong with the opening of a stream that brings a token."""

    CHANGED = "changed"
    CUT = "cut"
    OF_ANOTHER_MODEL = "of another model"

    @property
    def refusals(self) -> set[str]:
        """Return the reasons for which it may be refused."""
        if self is Spoilt.OF_ANOTHER_MODEL:
            return {"RESUME_TOKEN_FOREIGN"}
        return {"RESUME_TOKEN_INVALID", "RESUME_KEY_UNKNOWN"}

    def spoil(self, opening: pb.Open) -> None:
        """Spoil an opening."""
        token = bytearray(opening.resume_token)
        if self is Spoilt.OF_ANOTHER_MODEL:
            opening.model = "another"
        elif self is Spoilt.CUT:
            opening.resume_token = bytes(token[:-1])
        else:
            token[len(token) // 2] ^= 1
            opening.resume_token = bytes(token)


SPOILT = st.sampled_from([*[None] * 9, *Spoilt])
