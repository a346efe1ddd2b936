"""The parameters of config.pbtxt that are ours: what the format has no field for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from service.loading.model_config.file import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from soloist.oip import model_config_pb2 as oip

# The input [batch] that holds the valid frames of each row.
LENGTH_INPUT = "length_input"
# The input that is the sequence.
FRAMES_INPUT = "frames_input"
# How many tokens there are, where frames are whole numbers: valid ones are 0 to one less.
TOKEN_COUNT = "token_count"  # noqa: S105  # no password
# "true" when no output depends on a later frame.
CAUSAL = "causal"
# "false" when no axis is time: the graph is run as it is.
TIME_AXIS = "time_axis"
# Of one tensor each: the words of its axes, a value in JSON, "true" when it has an entry for every frame.
LAYOUT, CONSTANT, PER_FRAME = "layout.", "constant.", "per_frame."
_MOST_TOKENS = 2**31


class Parameters:
    """Our parameters of one configuration."""

    def __init__(self, given: Mapping[str, oip.ModelParameter]) -> None:
        self._given = {name: parameter.string_value for name, parameter in given.items()}

    def check(self, tensors: Collection[str]) -> None:
        """Check that every tensor that is named is there.

        Raises:
            ManifestError: one isn't.

        """
        for name, value in self._given.items():
            if name in (LENGTH_INPUT, FRAMES_INPUT) and value not in tensors:
                raise ConfigError(f"parameter {name} names {value!r}, which is no input")
            for prefix in (LAYOUT, CONSTANT, PER_FRAME):
                if name.startswith(prefix) and name.removeprefix(prefix) not in tensors:
                    raise ConfigError(f"parameter {name} names no tensor of the model")

    @property
    def length_input(self) -> str:
        """Name of the input that holds lengths; empty for none."""
        return self._given.get(LENGTH_INPUT, "")

    @property
    def frames_input(self) -> str:
        """Name of the input that is the sequence; empty when it isn't said."""
        return self._given.get(FRAMES_INPUT, "")

    @property
    def token_count(self) -> int:
        """How many tokens there are; 0 when it isn't said.

        Raises:
            ManifestError: it is no number above 0.

        """
        text = self._given.get(TOKEN_COUNT)
        if text is not None and not (text.isascii() and text.isdecimal() and 0 < int(text) < _MOST_TOKENS):
            raise ConfigError(f"parameter {TOKEN_COUNT} is {text!r}, it has to be a number above 0")
        return int(text or 0)

    def causal(self, *, default: bool) -> bool:
        """Return whether no output depends on a later frame."""
        return self._flag(CAUSAL, default=default)

    @property
    def has_time_axis(self) -> bool:
        """Whether a time axis is to be looked for."""
        return self._flag(TIME_AXIS, default=True)

    @property
    def of_time(self) -> list[str]:
        """Names of the parameters that say something of the sequence or its axes."""
        named = {LENGTH_INPUT, FRAMES_INPUT, TOKEN_COUNT, CAUSAL}
        return [name for name in self._given if name in named or name.startswith((LAYOUT, PER_FRAME))]

    def layout(self, tensor: str) -> list[str] | None:
        """Return one word for each axis of a tensor; None when it isn't said."""
        text = self._given.get(LAYOUT + tensor)
        return None if text is None else text.replace(",", " ").split()

    def is_constant(self, tensor: str) -> bool:
        """Return whether an input always holds the same."""
        return CONSTANT + tensor in self._given

    def constant(self, tensor: str) -> Any:
        """Return what an input always holds, parsed from JSON.

        Raises:
            ManifestError: it is no JSON.

        """
        try:
            return json.loads(self._given[CONSTANT + tensor])
        except json.JSONDecodeError as error:
            raise ConfigError(f"parameter {CONSTANT}{tensor} is no JSON: {error}") from error

    def is_per_frame(self, tensor: str) -> bool:
        """Return whether an input without a time axis changes from frame to frame."""
        return self._flag(PER_FRAME + tensor, default=False)

    def _flag(self, name: str, *, default: bool) -> bool:
        text = self._given.get(name)
        if text not in (None, "true", "false"):
            raise ConfigError(f"parameter {name} is {text!r}, it has to be true or false")
        return default if text is None else text == "true"
