"""What a simulation is: whom it asks, how much, what happens when, how labels follow; from a file or options."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from simulation.labels import LabelPolicy
from simulation.shifts import CONFIG, Shift
from soloist.integers import LARGEST_INT64, whole_number

Ratio = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
AnyShift = Annotated[Shift, Field(discriminator="kind")]


class ScenarioError(Exception):
    """A scenario can't be read, or can't be played; the message says why."""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Part:
    """Every `of`-th sequence of the held-out data, from the `number`-th on: parts have no sequence in common."""

    number: Annotated[int, Field(ge=1)] = 1
    of: Annotated[int, Field(ge=1)] = 1

    def __post_init__(self) -> None:
        if self.number > self.of:
            raise ValueError(f"there is no part {self.number} of {self.of}")


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Scenario:
    """One simulation: held-out sequences of `task`, drawn with replacement, sent to `model`.

    `version` is a number or a label; empty: whichever the server chooses. `stream_ratio` of the sequences go as
    streams, in chunks of `chunk_frames` (without it cut at random), `chunk_interval_seconds` apart, the others whole.
    What is sent depends on `seed` and not on time.
    """

    model: str
    task: str
    version: str = ""
    rate_per_second: Positive = 20.0
    seconds: Annotated[float, Field(gt=0)] = math.inf
    seed: Annotated[int, Field(ge=0, le=LARGEST_INT64)] = 0
    part: Part = Part()
    stream_ratio: Ratio = 0.0
    chunk_frames: Annotated[int, Field(ge=1)] | None = None
    chunk_interval_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    shifts: tuple[AnyShift, ...] = ()
    labels: LabelPolicy = LabelPolicy()
    timeout_seconds: Positive = 10.0
    max_in_flight: Annotated[int, Field(ge=1)] = 1000
    max_labels_waiting: Annotated[int, Field(ge=1)] = 100_000
    label_wait_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 60.0  # for labels, after the last answer

    def __post_init__(self) -> None:
        if self.version.isdecimal() and whole_number(self.version, LARGEST_INT64) is None:
            raise ValueError(f"there is no version above {LARGEST_INT64}")


_SCENARIO = TypeAdapter(Scenario)


def scenario(fields: Mapping[str, Any], shifts: Sequence[str] = (), file: Path | None = None) -> Scenario:
    """Put a scenario together: `fields` win over those of a TOML file, `shifts` ("gain:factor=2,begin_seconds=20") add.

    Raises ScenarioError.
    """
    base = _read(file) if file else {}
    given = {name: value for name, value in fields.items() if value is not None}
    given["labels"] = {**base.get("labels", {}), **given.get("labels", {})}
    more = [_parsed(text) for text in shifts]
    merged = {**base, **given, "shifts": (*base.get("shifts", ()), *more)}
    try:
        return _SCENARIO.validate_python(merged)
    except ValidationError as error:
        raise ScenarioError("; ".join(_sentence(problem) for problem in error.errors())) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise ScenarioError(f"{file}: {error}") from error


def _parsed(text: str) -> dict[str, Any]:
    kind, _, rest = text.partition(":")
    fields: dict[str, Any] = {"kind": kind}
    weights = {}
    for assignment in filter(None, rest.split(",")):
        name, equals, value = assignment.partition("=")
        if not equals:
            raise ScenarioError(f"shift {text!r}: {assignment!r} is not NAME=VALUE")
        if name.startswith("weight."):
            weights[name.removeprefix("weight.")] = value
        else:
            fields[name] = value
    return {**fields, "weights": weights} if weights else fields


def _sentence(problem: Mapping[str, Any]) -> str:
    return f"{'.'.join(str(part) for part in problem['loc']) or 'scenario'}: {problem['msg']}"
