from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from claims.catalogue import CLAIMS
from claims.experiments.recurrent_batch_norm import serving_statistics
from claims.judged import judged
from claims.verdict import Judgement, Verdict
from models.config import LSTMConfig, TaskSpec
from models.data import Split
from models.training import Checkpoint
from models.zoo import build

Cut = dict[str, Any]
_WOBBLE = (0.0, 0.001, -0.001, 0.002, -0.002)  # of five seeds


def _cut(within: dict[str, float], beyond: dict[str, float], wobble: float) -> Cut:
    buckets = {
        name: {"within": within[name], "to twice": level + wobble, "further": level, "beyond": level + wobble}
        for name, level in beyond.items()
    }
    return {"accuracy": buckets, "other_answers": {}, "sequences": {}, "not_certified": []}


def _judged(number: int, measured: list[Any]) -> Judgement:
    return judged(CLAIMS[number], range(len(measured)), measured).judgement


def _longer(known_median: float, known_thirty: float, *, nothing: float = 0.5) -> Judgement:
    others = dict.fromkeys(("last_beyond", "mean_beyond", "last_step", "batch_together", "batch", "layer", "none"), 0.8)
    others["nothing_beyond"] = nothing

    def cut(known: float, wobble: float) -> Cut:
        made = _cut({**others, "known_beyond": 0.9}, {**others, "known_beyond": known}, 0.0)
        made["accuracy"]["known_beyond"]["beyond"] += wobble
        return made

    return _judged(24, [{"median": cut(known_median, w), "thirty": cut(known_thirty, w)} for w in _WOBBLE])


@pytest.mark.parametrize(
    ("median", "thirty", "verdict"),
    [
        (0.85, 0.85, Verdict.SUPPORTED),
        (0.80, 0.79, Verdict.REFUTED),
        (0.85, 0.80, Verdict.DEPENDS),
        (0.81, 0.81, Verdict.NOT_SHOWN),
    ],
)
def test_what_missing_statistics_cost_decides(median: float, thirty: float, verdict: Verdict) -> None:
    assert _longer(median, thirty).verdict is verdict


def test_where_no_statistics_do_as_well_nothing_is_shown() -> None:
    assert _longer(0.85, 0.85, nothing=0.8).reason == "control"


def _shared(within: float, beyond: float, *, unestimated: float = 0.1) -> Judgement:
    def cut(wobble: float) -> Cut:
        same = {"each_step": 0.9, "time_mean": 0.9, "unestimated": unestimated}
        made = _cut({**same, "shared": within}, {**same, "shared": beyond}, 0.0)
        for bucket in ("within", "beyond"):
            made["accuracy"]["shared"][bucket] += wobble
        return made

    return _judged(27, [{"median": cut(w), "thirty": cut(w)} for w in _WOBBLE])


@pytest.mark.parametrize(
    ("within", "beyond", "verdict"),
    [
        (0.8, 0.7, Verdict.SUPPORTED),
        (0.9, 0.91, Verdict.REFUTED),
        (0.9, 0.7, Verdict.DEPENDS),
        (0.9, 0.89, Verdict.NOT_SHOWN),
    ],
)
def test_what_sharing_costs_decides(within: float, beyond: float, verdict: Verdict) -> None:
    assert _shared(within, beyond).verdict is verdict


def test_where_any_statistics_will_do_nothing_is_shown() -> None:
    assert _shared(0.8, 0.7, unestimated=0.9).reason == "control"


@pytest.fixture
def checkpoint() -> Checkpoint:
    """Weights of an untrained model whose table knows three of eight steps, drawn at random."""
    task = TaskSpec(name="digits", frames="features", labels=("a", "b"), feature_count=3)
    config = LSTMConfig(hidden=4, norm="batch_step", norm_steps=8)
    torch.manual_seed(0)
    weights = dict(build(task, "lstm", config).state_dict())
    for name, weight in weights.items():
        if name.endswith(("running_mean", "running_var")):
            weights[name] = torch.rand_like(weight)
        elif name.endswith("known"):
            weights[name] = torch.tensor(3)
    return Checkpoint(
        task=task,
        architecture="lstm",
        config=config,
        weights=weights,
        seed=0,
        epochs=1,
        best_epoch=1,
        sequences=1,
        min_frames=1,
        max_frames=1,
        validation_accuracy=0.0,
        data_sha256="",
        statistics={},
    )


def _answers(checkpoint: Checkpoint, frames: torch.Tensor) -> torch.Tensor:
    model = checkpoint.model()
    length = torch.full((len(frames),), frames.shape[1])
    with torch.no_grad():
        outputs: torch.Tensor = model(frames, length, model.initial_state(len(frames)))[0]
    return outputs


def test_a_table_of_equal_rows_answers_as_one_shared_row(checkpoint: Checkpoint) -> None:
    frames = torch.randn(2, 6, 3)
    row = {name: w[2].expand_as(w) for name, w in checkpoint.weights.items() if name.endswith(("_mean", "_var"))}
    equal = dataclasses.replace(checkpoint, weights={**checkpoint.weights, **row})
    for served in (serving_statistics.last_step(checkpoint), serving_statistics.time_mean(equal)):
        torch.testing.assert_close(_answers(served, frames), _answers(equal, frames))


@pytest.mark.parametrize("longer", [serving_statistics.mean_beyond, serving_statistics.unestimated_beyond])
def test_other_statistics_beyond_the_table_leave_the_steps_in_it(checkpoint: Checkpoint, longer: Any) -> None:
    frames = torch.randn(2, 6, 3)
    before, after = _answers(checkpoint, frames), _answers(longer(checkpoint), frames)
    torch.testing.assert_close(after[:, :3], before[:, :3])
    assert not torch.allclose(after[:, 3:], before[:, 3:])


def test_statistics_of_later_steps_are_added_to_the_table(checkpoint: Checkpoint) -> None:
    frames = torch.randn(12, 6, 3)
    split = Split(sequences=list(frames.numpy()), labels=torch.zeros(12, dtype=torch.int64).numpy())
    after = serving_statistics.known_beyond(checkpoint, split)
    table = "body.layers.0.input_norm"
    assert int(after.weights[f"{table}.known"]) == 6
    assert torch.equal(after.weights[f"{table}.running_mean"][:3], checkpoint.weights[f"{table}.running_mean"][:3])
    gates = after.model().body.layers[0].input(frames[:, 4])  # type: ignore[union-attr,index]
    torch.testing.assert_close(after.weights[f"{table}.running_mean"][4], gates.mean(dim=0))


def _trained(batch: float, *, finite: bool = True, untrained: float = 0.1, wobble: float = 0.002) -> Judgement:
    levels = {"unit_gain": 0.9, "layer": 0.9, "none": 0.9}
    measured = [
        {
            "accuracy": {**levels, "batch": batch + wobble * sign},
            "untrained": untrained,
            "losses": {name: [2.0, 1.0] for name in (*levels, "batch")},
            "finite": {"batch": finite},
        }
        for sign in (0, 1, -1, 2, -2)
    ]
    return _judged(22, measured)


@pytest.mark.parametrize(
    ("batch", "finite", "verdict"),
    [
        (0.9, False, Verdict.SUPPORTED),
        (0.12, True, Verdict.SUPPORTED),
        (0.88, True, Verdict.REFUTED),
        (0.70, True, Verdict.DEPENDS),
        (0.85, True, Verdict.NOT_SHOWN),
    ],
)
def test_whether_it_trains_decides(batch: float, finite: bool, verdict: Verdict) -> None:
    assert _trained(batch, finite=finite).verdict is verdict


def test_where_an_untrained_model_answers_too_nothing_is_shown() -> None:
    assert _trained(0.9, untrained=0.6).reason == "control"


def _cost(sequence: float, step: float, row_bytes: int, *, same: float = 1.0) -> Judgement:
    measured = [
        {
            **{
                name: {"ratio": ratio + wobble, "layer_ratio": 1.0, "same_ratio": same + wobble}
                for name, ratio in (("sequence", sequence), ("step", step))
            },
            "row_bytes": row_bytes,
            "steps": 30,
            "file_bytes": 100_000,
            "formula_bytes": row_bytes,
        }
        for wobble in (0.0, 0.01, -0.01, 0.005, -0.005)
    ]
    return _judged(26, measured)


@pytest.mark.parametrize(
    ("sequence", "step", "row_bytes", "verdict"),
    [
        (3.0, 1.2, 1000, Verdict.SUPPORTED),
        (1.0, 1.0, 10, Verdict.REFUTED),
        (3.0, 1.0, 10, Verdict.DEPENDS),
        (1.05, 1.0, 10, Verdict.NOT_SHOWN),
    ],
)
def test_time_and_memory_decide(sequence: float, step: float, row_bytes: int, verdict: Verdict) -> None:
    assert _cost(sequence, step, row_bytes).verdict is verdict


def test_where_a_graph_differs_from_itself_nothing_is_shown() -> None:
    assert _cost(3.0, 1.2, 1000, same=1.2).reason == "control"
