"""What lint says of one node: where it is, what it endangers, why, and what to use instead."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Danger = Literal["batch", "padding", "chunking"]
BATCH: tuple[Danger, ...] = ("batch",)
PADDING: tuple[Danger, ...] = ("padding",)
CHUNKING: tuple[Danger, ...] = ("chunking",)
ALL: tuple[Danger, ...] = ("batch", "padding", "chunking")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One node, or one tensor of the signature, that is not in the form that keeps bits.

    `graph` is the path of the subgraph it stands in, "" for the main graph. `severity` "danger": bits are known to
    change; "trap": the file does something else than it seems to; "unknown": lint cannot tell, so neither can you.
    """

    rule: str
    severity: Literal["danger", "trap", "unknown"]
    endangers: tuple[Danger, ...]
    node: str
    op: str
    graph: str
    output: str
    why: str
    instead: str

    def fields(self) -> dict[str, Any]:
        """Return what `--json` prints of it."""
        return asdict(self)


class UnreadableModelError(Exception):
    """A file is no ONNX model, or a part of it is missing."""
