"""The measurement of the headline: a server of its own that gathers, and every model in every company."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from demo.folder import Folder
from demo.normalisers.conditions import CONDITIONS, HOLDING_FRAMES, ROUNDS, Array, Condition
from demo.normalisers.requests import Asked, ask
from demo.normalisers.result import ConditionResult, NormaliserResult
from demo.normalisers.variants import KINDS, name_of, what_it_reads
from demo.plan import DemoError
from models.data import Dataset
from soloist import AsyncClient, Prediction, SoloistError

# One worker: what comes while it is busy shares the next run; and what holds it is not cut into slices. The control has
# no proof, so the operator has to allow that it shares runs at all; for models that have one this changes nothing.
SERVER_SETTINGS = f"workers = 1\nmax_slice_frames = {HOLDING_FRAMES * ROUNDS}\nbatch_uncertified = true\n"


def write_settings(folder: Folder) -> None:
    """Write the file of settings that the server of this measurement is started with."""
    folder.gathering_config.write_text(SERVER_SETTINGS)


async def measure_normaliser(
    server: str, architecture: str, kind: str, data: Dataset, *, seed: int
) -> NormaliserResult:
    """Ask one model in every company; raises DemoError."""
    name, held_out = name_of(architecture, kind), data.test
    try:
        async with AsyncClient(server) as client:
            manifest = (await client.model(name)).manifest
            if manifest is None:
                raise DemoError(f"the server knows no manifest of {name}")
            asked = [
                await ask(client, name, condition, held_out.sequences, data.train.sequences, seed)
                for condition in CONDITIONS
            ]
    except SoloistError as error:
        raise DemoError(f"{name}: {error}") from error
    alone = asked[0].answers
    pairs = [list(zip(alone, each.answers, strict=True)) for each in asked]
    return NormaliserResult(
        name=name,
        architecture=architecture,
        kind=kind,
        title=KINDS[kind],
        control=manifest.control,
        reads=what_it_reads(kind, manifest),
        sequences=len(held_out),
        offline_sequences=manifest.accuracy.sequences,
        correct_offline=manifest.accuracy.correct,
        bits_differ=sum(any(map(_bits_differ, companies)) for companies in zip(*pairs, strict=True)),
        class_differs=sum(any(map(_class_differs, companies)) for companies in zip(*pairs, strict=True)),
        conditions=[
            _condition(condition, each, alone, held_out.labels)
            for condition, each in zip(CONDITIONS, asked, strict=True)
        ],
    )


def _condition(condition: Condition, asked: Asked, alone: Sequence[Prediction], labels: Array) -> ConditionResult:
    answers, sizes = asked.answers, [answer.batch_size for answer in asked.answers]
    pairs = list(zip(alone, answers, strict=True))
    frames = sum(answer.frame_count for answer in answers)
    return ConditionResult(
        name=condition.name,
        correct=sum(bool(answer.index == label) for answer, label in zip(answers, labels, strict=True)),
        bits_differ=sum(map(_bits_differ, pairs)),
        class_differs=sum(map(_class_differs, pairs)),
        missed=asked.missed,
        repeated=asked.repeated,
        min_batch_size=min(sizes),
        mean_batch_size=float(np.mean(sizes)),
        max_batch_size=max(sizes),
        padded_ratio=1 - frames / sum(answer.padded_frames for answer in answers),
    )


def _bits_differ(pair: tuple[Prediction, Prediction]) -> bool:
    one, other = pair
    return one.outputs.tobytes() != other.outputs.tobytes()


def _class_differs(pair: tuple[Prediction, Prediction]) -> bool:
    one, other = pair
    return one.index != other.index
