"""What is sent and when: an endless, seeded sequence of requests with the truth about each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.load_generator.workload import chunks
from models.data import Dataset, Split
from simulation.labels import PlannedLabel, planned
from simulation.phases import Phases
from simulation.scenario import Scenario, ScenarioError
from simulation.shifts import Concept, FrameShift, MixShift

Array = npt.NDArray[Any]
_ARRIVALS, _REQUESTS = 0, 1  # streams of random numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """One sequence, due so long after the start: in one piece (Predict) or in several (Stream).

    `truth` is its class as the world has it now, `labels` what will be reported of the answer, `phase` a number of
    simulation.phases.
    """

    due_seconds: float
    pieces: list[Array]
    whole: bool
    truth: int
    labels: tuple[PlannedLabel, ...]
    phase: int


class Demand:
    """The requests of a scenario, made one by one as they are asked for; the same scenario gives the same requests.

    Raises ScenarioError when a shift doesn't fit the data.
    """

    def __init__(self, scenario: Scenario, dataset: Dataset) -> None:
        self._scenario = scenario
        part = range(scenario.part.number - 1, len(dataset.test), scenario.part.of)
        self._split = dataset.test.select(part)
        self._labels = dataset.spec.labels
        self._frame_shifts = [shift for shift in scenario.shifts if isinstance(shift, FrameShift)]
        self._mix_shifts = [shift for shift in scenario.shifts if isinstance(shift, MixShift)]
        self._concepts = [shift for shift in scenario.shifts if isinstance(shift, Concept)]
        self._phases = Phases(scenario.shifts)
        self._deviation_C = _deviation(dataset.test)
        _refuse_misfits(scenario, dataset)
        try:
            self._weights = [shift.weighed(self._split, self._labels) for shift in self._mix_shifts]
        except ValueError as error:
            raise ScenarioError(str(error)) from error
        self._becomes = [shift.permutation(len(self._labels), scenario.seed) for shift in self._concepts]

    def __iter__(self) -> Iterator[Request]:
        """Yield the requests in the order of time, until the scenario's `seconds` are over."""
        arrivals = np.random.default_rng([self._scenario.seed, _ARRIVALS])
        due_seconds, number = 0.0, 0
        while (due_seconds := due_seconds + arrivals.exponential(1 / self._scenario.rate_per_second)) < (
            self._scenario.seconds
        ):
            # Of its own, so that no request depends on how many numbers another took.
            yield self._request(due_seconds, np.random.default_rng([self._scenario.seed, _REQUESTS, number]))
            number += 1

    def _request(self, due_seconds: float, rng: np.random.Generator) -> Request:
        scenario = self._scenario
        index = int(rng.choice(len(self._split), p=self._probabilities(due_seconds)))
        whole = rng.random() >= scenario.stream_ratio
        truth = self._truth(int(self._split.labels[index]), due_seconds, rng)
        labels = planned(scenario.labels, truth, len(self._labels), rng)
        frames = self._split.sequences[index]
        for shift in self._frame_shifts:
            if strength := shift.strength(due_seconds):
                frames = shift.applied(frames, strength, self._deviation_C, rng)
        return Request(
            due_seconds=due_seconds,
            pieces=[frames] if whole else chunks(frames, chunk_frames=scenario.chunk_frames, rng=rng),
            whole=whole,
            truth=truth,
            labels=labels,
            phase=self._phases.number(due_seconds),
        )

    def _probabilities(self, at_seconds: float) -> Array | None:
        strengths = [shift.strength(at_seconds) for shift in self._mix_shifts]
        if not any(strengths):
            return None
        mixed: Array = np.full(len(self._split), 1 / len(self._split))
        for weights, strength in zip(self._weights, strengths, strict=True):
            mixed = mixed * ((1 - strength) + strength * weights)
        if not mixed.sum() > 0:
            raise ScenarioError(f"after {at_seconds:g} seconds the shifts leave no sequence to send")
        mixed /= mixed.sum()
        return mixed

    def _truth(self, label: int, at_seconds: float, rng: np.random.Generator) -> int:
        for shift, becomes in zip(self._concepts, self._becomes, strict=True):
            if rng.random() < shift.strength(at_seconds):
                label = becomes[label]
        return label


def _deviation(split: Split) -> Array:
    frames = np.concatenate(split.sequences)
    return frames.std(axis=0, dtype=np.float64) if frames.ndim == 2 else np.ones(1)


def _refuse_misfits(scenario: Scenario, dataset: Dataset) -> None:
    for shift in scenario.shifts:
        if not isinstance(shift, FrameShift):
            continue
        if shift.of_numbers and dataset.spec.frames == "tokens":
            raise ScenarioError(f"{type(shift).__name__.lower()} needs numbers, and {dataset.name} has tokens")
        channel = getattr(shift, "channel", None)
        if channel is not None and channel >= dataset.spec.feature_count:
            raise ScenarioError(f"no channel {channel}: {dataset.name} has {dataset.spec.feature_count}")
