"""A demonstration's figures that never were measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from bench.load_generator.load import Load, Mode
from bench.load_generator.report import Summary
from bench.recorder import Recorder
from demo import verdict
from demo.environment import Environment
from demo.normalisers.conditions import CONDITIONS
from demo.normalisers.result import ConditionResult, NormaliserResult
from demo.normalisers.variants import CURRENT, KINDS, name_of
from demo.plan import ARCHITECTURES, Plan
from demo.result import Calls, ModelResult, Report, ServerFigures


def summary(name: str, mode: Mode, *, late_seconds: float = 0.0, errors: int = 0) -> Summary:
    """Ten answers, each a millisecond later than the one before."""
    recorder = Recorder()
    for number in range(1, 11):
        recorder.left(due_seconds=0.0, now_seconds=late_seconds)
        recorder.answered(20, due_seconds=0.0, now_seconds=number / 1e3)
        recorder.chunk_answered(due_seconds=0.0, now_seconds=number / 2e3)
    for _ in range(errors):
        recorder.failed("QUEUE_FULL")
    load = Load(server="localhost:1", model=name, rate_per_second=10.0, seconds=1.0, mode=mode)
    return Summary.of(load, recorder, scheduled=10 + errors, elapsed_seconds=1.0)


def model(name: str, **changes: Any) -> ModelResult:
    """A model of which all figures agree, but for `changes`."""
    task, architecture, norm = name.split("-")
    calls = Calls(answered=380, counted=380)
    agreeing = ModelResult(
        name=name,
        version=1,
        task=task,
        architecture=architecture,
        norm=norm,
        parameters=20_000,
        folded_norm_layers=0,
        epochs=60,
        best_epoch=41,
        making_seconds=9.0,
        sequences=370,
        offline_sequences=370,
        correct_offline=362,
        correct_whole=362,
        correct_streamed=362,
        correct_by_frame=[120, 250, 330, 362],
        bits_differ=0,
        frames_per_second_whole=15_000.0,
        frames_per_second_streamed=9_000.0,
        whole_load=summary(name, Mode.UNARY),
        streamed_load=summary(name, Mode.STREAM),
        server=ServerFigures(
            predict=calls,
            stream=calls,
            mean_batch_size=1.5,
            mean_padding_ratio=0.1,
            mean_queue_ms=0.2,
            mean_compute_ms=0.3,
        ),
    )
    return dataclasses.replace(agreeing, **changes)


def condition(name: str, **changes: Any) -> ConditionResult:
    """A company in which nothing changed, but for `changes`."""
    agreeing = ConditionResult(
        name=name,
        correct=362,
        bits_differ=0,
        class_differs=0,
        missed=0,
        repeated=3,
        min_batch_size=1 if name == "alone" else 17,
        mean_batch_size=1.0 if name == "alone" else 30.5,
        max_batch_size=1 if name == "alone" else 32,
        padded_ratio=0.0,
    )
    return dataclasses.replace(agreeing, **changes)


def normaliser(kind: str, architecture: str = "tcn", **changes: Any) -> NormaliserResult:
    """A row as it has to be: the control changes, the others don't; but for `changes`."""
    as_it_should = NormaliserResult(
        name=name_of(architecture, kind),
        architecture=architecture,
        kind=kind,
        title=KINDS[kind],
        control=kind not in ("layer", "running"),
        reads="4,274 training frames",
        sequences=370,
        offline_sequences=370,
        correct_offline=362,
        bits_differ=370 if kind == CURRENT else 0,
        class_differs=290 if kind == CURRENT else 0,
        conditions=[condition(each.name) for each in CONDITIONS],
    )
    return dataclasses.replace(as_it_should, **changes)


@pytest.fixture(scope="module")
def make_report() -> Callable[..., Report]:
    """Build the report of a demonstration in which all models but the first have agreeing figures."""

    def make(**changes: Any) -> Report:
        first, *others = Plan().names
        models = [model(first, **changes), *map(model, others)]
        return Report(
            normalisers=[normaliser(kind, architecture) for architecture in ARCHITECTURES for kind in KINDS],
            models=models,
            seed=0,
            calls_at_once=16,
            load_rate_per_second=10.0,
            load_seconds=1.0,
            server_ready_seconds=0.7,
            server_exit_code=0,
            seconds=100.0,
            environment=Environment(
                cpu="Some <CPU> & more", cores=2, platform="Linux", python="3.11", versions={"grpcio": "1.75.1"}
            ),
            failures=verdict.failures(models, 0),
            warnings=verdict.warnings(models),
        )

    return make
