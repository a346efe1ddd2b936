"""One input: what is sent on one call, in which order, down to the byte. It can be written, read and sent again."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from soloist.json_text import json_text

# A call that isn't answered by then hangs.
PATIENCE_SECONDS = 60.0
Kind = Literal["bytes", "fields", "walks"]
KINDS: tuple[Kind, ...] = ("bytes", "fields", "walks")


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One thing that a caller does.

    "send" sends `data`; "await" waits a moment for one more answer; "rest" does nothing for `milliseconds`; "end" ends
    the caller's half; "cancel" ends the call.
    """

    what: Literal["send", "await", "rest", "end", "cancel"]
    data: bytes = b""
    milliseconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """A call to the method at `path`, all of its steps, and how long it may take, in seconds."""

    kind: Kind
    path: str
    steps: tuple[Step, ...]
    timeout_seconds: float = PATIENCE_SECONDS

    @property
    def messages(self) -> int:
        """How many messages it sends."""
        return sum(step.what == "send" for step in self.steps)

    @property
    def size(self) -> int:
        """How many bytes it sends."""
        return sum(len(step.data) for step in self.steps)

    @property
    def is_patient(self) -> bool:
        """Return whether it waits for as long as any call may take."""
        return self.timeout_seconds >= PATIENCE_SECONDS

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept in a file."""
        steps = [
            {"what": step.what}
            | ({"data": base64.b64encode(step.data).decode()} if step.what == "send" else {})
            | ({"milliseconds": step.milliseconds} if step.milliseconds else {})
            for step in self.steps
        ]
        return {"kind": self.kind, "path": self.path, "timeout_seconds": self.timeout_seconds, "steps": steps}


def one_message(kind: Kind, path: str, data: bytes) -> Script:
    """Send one message and wait for what comes."""
    return Script(kind=kind, path=path, steps=(Step(what="send", data=data), Step(what="end")))


def write(file: Path, script: Script, found: dict[str, Any]) -> None:
    """Keep a script, and what came of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json_text({"found": found, "script": script.as_json()}, indent=1) + "\n")


def read(file: Path) -> Script:
    """Read what `write` has written.

    Raises:
        ValueError: it is something else.

    """
    try:
        stored = json.loads(file.read_text())["script"]
        steps = tuple(
            Step(
                what=each["what"],
                data=base64.b64decode(each.get("data", "")),
                milliseconds=each.get("milliseconds", 0.0),
            )
            for each in stored["steps"]
        )
        return Script(kind=stored["kind"], path=stored["path"], timeout_seconds=stored["timeout_seconds"], steps=steps)
    except (KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} holds no input") from error
