"""The price of batches: the server's own batcher under load, with the promise and without.

With it: strict form, and the batcher's own choice, by length. Without: naive form, first come, first served, as many
sequences a batch. Alone: no sequence shares a run.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from export.cost.case import draw_frames, ragged_lengths
from export.cost.forms import Forms
from export.cost.stopwatch import Ratio, ratio
from models.config import TaskSpec
from service.app.settings import Settings
from service.engine.graph import Graph
from service.engine.runner import Row, Runner
from service.loading.certificate_check import UNCERTIFIED
from service.loading.servable import Servable
from service.serving.batcher import Batcher, BatchLimits
from service.serving.batcher.batch_selection import SelectBatch, select_batch
from soloist.v1.model_pb2 import Model


@dataclass(frozen=True, kw_only=True)
class Load:
    """How many sequences, and how many of them wait at once; each that is answered makes room for the next."""

    sequences: int
    clients: int


@dataclass(frozen=True, kw_only=True)
class Policy:
    """One way to serve a load."""

    name: str
    strict: bool
    batched: bool
    select_batch: SelectBatch


@dataclass(frozen=True, kw_only=True)
class BatchCost:
    """Sequences a second while `clients` wait, and time a sequence ÷ that of batches without the promise.

    `ratio` is of this process's time on all processors, `wall_ratio` of the time that callers saw.
    """

    architecture: str
    norm: str
    policy: str
    clients: int
    per_second: float
    ratio: Ratio
    wall_ratio: Ratio


@dataclass(frozen=True, kw_only=True)
class _Seconds:
    processor: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)


def first_come(lengths: Sequence[int], /, *, max_size: int, max_frames: int) -> list[int]:
    """Choose the oldest jobs, as many as the limits allow."""
    size = 1
    while size < min(len(lengths), max_size) and max(lengths[: size + 1]) * (size + 1) <= max_frames:
        size += 1
    return list(range(size))


BASE = Policy(name="naive, first come", strict=False, batched=True, select_batch=first_come)
POLICIES = (
    BASE,
    Policy(name="with the promise", strict=True, batched=True, select_batch=select_batch),
    Policy(name="strict, first come", strict=True, batched=True, select_batch=first_come),
    Policy(name="naive, by length", strict=False, batched=True, select_batch=select_batch),
    Policy(name="naive, alone", strict=False, batched=False, select_batch=first_come),
    Policy(name="strict, alone", strict=True, batched=False, select_batch=first_come),
)


def measure(forms: Forms, task: TaskSpec, load: Load, *, rounds: int, seed: int) -> list[BatchCost]:
    """Serve the same load in every way, in turns."""
    rng = np.random.default_rng(seed)
    frames = [draw_frames(task, (length,), rng) for length in ragged_lengths(load.sequences, rng)]
    servables = {policy: _servable(forms, policy) for policy in POLICIES}
    seconds = {policy: _Seconds() for policy in POLICIES}
    order, shuffle = list(POLICIES), random.Random(seed)
    with ThreadPoolExecutor(1, thread_name_prefix="cost") as executor:
        for _ in range(rounds):
            shuffle.shuffle(order)
            for policy in order:
                rows = [Row(frames=f, states=servables[policy].runner.initial_states()) for f in frames]
                asyncio.run(_serve(executor, policy, servables[policy], rows, load.clients, seconds[policy]))
    return [
        BatchCost(
            architecture=forms.architecture,
            norm=forms.norm,
            policy=policy.name,
            clients=load.clients,
            per_second=load.sequences / statistics.median(timed.wall),
            ratio=ratio(timed.processor, seconds[BASE].processor),
            wall_ratio=ratio(timed.wall, seconds[BASE].wall),
        )
        for policy, timed in seconds.items()
    ]


def _servable(forms: Forms, policy: Policy) -> Servable:
    graph: Graph = forms.strict if policy.strict else forms.naive
    manifest = Model(name=forms.architecture, version=1, norm=forms.norm, signature=graph.signature)
    return Servable(
        name=manifest.name,
        version=manifest.version,
        manifest=manifest,
        runner=Runner(graph),
        certificate=UNCERTIFIED,
        batched=policy.batched,
        sliced=False,
    )


async def _serve(
    executor: Executor, policy: Policy, servable: Servable, rows: Sequence[Row], clients: int, seconds: _Seconds
) -> None:
    """Answer all rows, `clients` at a time."""
    batcher = Batcher(executor, _limits(clients), select_batch=policy.select_batch)
    left = iter(rows)

    async def client() -> None:
        for row in left:
            await batcher.submit(servable, row, every_frame=True, deadline=None)

    began, started = time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    seconds.wall.append(time.perf_counter() - started)
    seconds.processor.append(time.process_time() - began)


def _limits(clients: int) -> BatchLimits:
    """Return the server's own limits, and one worker."""
    fields = Settings.model_fields
    return BatchLimits(
        workers=1,
        max_batch_size=fields["max_batch_size"].default,
        max_batch_frames=fields["max_batch_frames"].default,
        max_slice_frames=fields["max_slice_frames"].default,
        max_queued=clients,
    )
