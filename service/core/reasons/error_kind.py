"""One way a call can fail: canonical code, stable name, a sentence for people, and a hint on what to do."""

from __future__ import annotations


class ErrorKind:
    """A row of the table of errors. Its name is that of the attribute it is assigned to.

    `code` is a canonical gRPC code; `sentence` and `hint` are templates over the facts.
    """

    name: str

    def __init__(self, code: str, sentence: str, hint: str) -> None:
        self.code = code
        self.sentence = sentence
        self.hint = hint

    def __set_name__(self, owner: type, name: str) -> None:
        """Take the name of the attribute."""
        self.name = name

    def __repr__(self) -> str:
        """Return how the reason is written in code."""
        return f"Reason.{self.name}"
