"""Our own parameters of config.pbtxt: what the format has no field for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from service.loading.model_config.file import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from soloist.oip import model_config_pb2 as oip

# The input [batch] that holds the valid frames of each row.
LENGTH_INPUT = "length_input"
# The input that holds the sequence.
FRAMES_INPUT = "frames_input"
# The number of tokens if frames are whole numbers: valid tokens are 0 to one less.
TOKEN_COUNT = "token_count"  # noqa: S105  # not a password
# "true" when no output depends on a later frame.
CAUSAL = "causal"
# "false" if no axis is time: the graph is run as it is.
TIME_AXIS = "time_axis"
# For one tensor each: the words for its axes; a value in JSON; "true" if it has an entry for every frame.
LAYOUT, CONSTANT, PER_FRAME = "layout.", "constant.", "per_frame."
_MOST_TOKENS = 2**31
_MOST_DIGITS = 10


class Parameters:
    """Our parameters in one configuration."""

    def __init__(self, given: Mapping[str, oip.ModelParameter]) -> None:
        self._given = {name: parameter.string_value for name, parameter in given.items()}

    def check(self, inputs: Collection[str], tensors: Collection[str]) -> None:
        """Check that every named tensor exists; `inputs` are those that are no state and no control.

        Raises:
            ManifestError: one doesn't.

        """
        for name, value in self._given.items():
            if name in (LENGTH_INPUT, FRAMES_INPUT) and value not in inputs:
                raise ConfigError(f"parameter {name} names {value!r}, which is none of the inputs {', '.join(inputs)}")
            if name.startswith(LAYOUT) and name.removeprefix(LAYOUT) not in tensors:
                raise ConfigError(f"parameter {name} names no tensor of the model")
            for prefix in (CONSTANT, PER_FRAME):
                if name.startswith(prefix) and name.removeprefix(prefix) not in inputs:
                    raise ConfigError(f"parameter {name} names none of the inputs {', '.join(inputs)}")

    @property
    def length_input(self) -> str:
        """Return the name of the input that holds lengths; empty for none."""
        return self._given.get(LENGTH_INPUT, "")

    @property
    def frames_input(self) -> str:
        """Return the name of the input that holds the sequence; empty if not given."""
        return self._given.get(FRAMES_INPUT, "")

    @property
    def token_count(self) -> int:
        """Return the number of tokens; 0 if not given.

        Raises:
            ManifestError: it isn't a number above 0.

        """
        text = self._given.get(TOKEN_COUNT)
        if text is not None and not (
            text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS and 0 < int(text) < _MOST_TOKENS
        ):
            raise ConfigError(f"parameter {TOKEN_COUNT} is {text!r}, it must be a number above 0")
        return int(text or 0)

    def causal(self, *, default: bool) -> bool:
        """Return whether no output depends on a later frame."""
        return self._flag(CAUSAL, default=default)

    @property
    def has_time_axis(self) -> bool:
        """Return whether the model may have a time axis."""
        return self._flag(TIME_AXIS, default=True)

    @property
    def of_time(self) -> list[str]:
        """Return the names of the given parameters about the sequence or its axes."""
        named = {LENGTH_INPUT, FRAMES_INPUT, TOKEN_COUNT, CAUSAL}
        return [name for name in self._given if name in named or name.startswith((LAYOUT, PER_FRAME))]

    def layout(self, tensor: str) -> list[str] | None:
        """Return one word for each axis of a tensor; None if not given."""
        text = self._given.get(LAYOUT + tensor)
        return None if text is None else text.replace(",", " ").split()

    def is_constant(self, tensor: str) -> bool:
        """Return whether an input is constant."""
        return CONSTANT + tensor in self._given

    def constant(self, tensor: str) -> Any:
        """Return the value of a constant input, parsed from JSON.

        Raises:
            ManifestError: it isn't JSON.

        """
        try:
            return json.loads(self._given[CONSTANT + tensor])
        except (ValueError, RecursionError) as error:  # also a number of too many digits
            raise ConfigError(f"parameter {CONSTANT}{tensor} isn't JSON: {error}") from error

    def is_per_frame(self, tensor: str) -> bool:
        """Return whether an input without a time axis changes from frame to frame."""
        return self._flag(PER_FRAME + tensor, default=False)

    def _flag(self, name: str, *, default: bool) -> bool:
        text = self._given.get(name)
        if text not in (None, "true", "false"):
            raise ConfigError(f"parameter {name} is {text!r}, it must be true or false")
        return default if text is None else text == "true"
