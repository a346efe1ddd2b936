"""Controls: what they are marked as, and that they fail as predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export import ExportError, export_checkpoint
from models.config import LSTMConfig, ModelConfig, TaskSpec, TCNConfig, TransformerConfig
from models.data import Dataset, Split
from models.training import Checkpoint, train
from models.zoo import with_norm
from service.certificate import is_bitwise
from soloist.v1 import certificate_pb2
from soloist.v1.model_pb2 import Model

SPEC = TaskSpec(name="slopes", frames="features", feature_count=3, labels=("down", "up"))
CONFIGS: dict[str, ModelConfig] = {
    "lstm": LSTMConfig(hidden=8),
    "tcn": TCNConfig(channels=8, blocks=2),
    "transformer": TransformerConfig(width=8, heads=2, layers=1, window=8, tile=4),
}
BATCH, PADDING = certificate_pb2.DIMENSION_BATCH, certificate_pb2.DIMENSION_PADDING


def slopes(count: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    lengths = rng.integers(4, 20, count)
    ramps = [np.linspace(0, 6 * label - 3, frames) for label, frames in zip(labels, lengths, strict=True)]
    noisy = [(ramp[:, None] + rng.normal(size=(len(ramp), 3))).astype(np.float32) for ramp in ramps]
    return Split(sequences=noisy, labels=labels)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return Dataset(name="slopes", spec=SPEC, train=slopes(40, 0), test=slopes(31, 1), sha256="0" * 64)


@pytest.fixture(scope="module", params=CONFIGS)
def checkpoint(request: pytest.FixtureRequest, dataset: Dataset) -> Checkpoint:
    return train(dataset, request.param, with_norm(CONFIGS[request.param], "batch"), seed=0, epochs=2)


@pytest.fixture(scope="module")
def pair(checkpoint: Checkpoint, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Model]:
    """The same weights with running statistics, and with those of the batch at hand."""
    folder = tmp_path_factory.mktemp("repository")
    running = export_checkpoint(checkpoint, folder, name="running", version=1, dataset=dataset, probed=False)
    current = export_checkpoint(checkpoint, folder, name="current", version=1, dataset=dataset, norm="batch_current")
    return running, current


def verdicts(model: Model) -> dict[int, int]:
    return {verdict.dimension: verdict.verdict for verdict in model.certificate.verdicts}


def test_statistics_of_the_batch_at_hand_make_a_control(pair: tuple[Model, Model]) -> None:
    running, current = pair
    assert (running.norm, running.control, running.causal) == ("batch", False, True)
    assert (current.norm, current.control, current.causal) == ("batch_current", True, False)
    assert not current.signature.states


def test_without_a_probe_nothing_is_said_of_one(pair: tuple[Model, Model]) -> None:
    assert [model.HasField("probe") for model in pair] == [False, False]


def test_a_control_shares_its_twins_weights(pair: tuple[Model, Model], checkpoint: Checkpoint) -> None:
    assert {model.provenance.checkpoint_sha256 for model in pair} == {checkpoint.digest}


def test_it_depends_on_neighbours_and_its_twin_does_not(pair: tuple[Model, Model]) -> None:
    running, current = pair
    assert is_bitwise(running.certificate, BATCH, PADDING)
    assert verdicts(current)[BATCH] == certificate_pb2.VERDICT_NONE


def test_it_has_no_running_statistics(pair: tuple[Model, Model]) -> None:
    assert {(layer.statistics, layer.folded) for layer in pair[1].norm_layers} == {("", False)}
    assert all(not layer.ema.mean and not layer.precise.mean for layer in pair[1].norm_layers)


@pytest.mark.parametrize("norm", ["instance", "group"])
def test_moments_over_time_make_a_control_that_keeps_all_but_streams(
    norm: str, dataset: Dataset, tmp_path: Path
) -> None:
    checkpoint = train(dataset, "tcn", with_norm(CONFIGS["tcn"], norm), seed=0, epochs=1)
    model = export_checkpoint(checkpoint, tmp_path, name="slopes", version=1, dataset=dataset)
    assert (model.control, model.causal) == (True, False)
    assert set(verdicts(model)) == {BATCH, PADDING}
    assert is_bitwise(model.certificate, BATCH, PADDING)


def test_statistics_of_each_step_are_told_but_not_listed(dataset: Dataset, tmp_path: Path) -> None:
    checkpoint = train(dataset, "lstm", with_norm(CONFIGS["lstm"], "batch_step"), seed=0, epochs=1)
    model = export_checkpoint(checkpoint, tmp_path, name="slopes", version=1, dataset=dataset, probed=False)
    assert (model.control, model.causal) == (False, True)
    assert [state.name for state in model.signature.states if state.name.endswith("position")] == ["lstm.position"]
    for layer in model.norm_layers:
        assert (layer.kind, layer.statistics, layer.folded) == ("batch_step", "precise", False)
        assert layer.statistics_frames == checkpoint.statistics[layer.name].frames > 0


def test_other_weights_are_not_served_with_them(dataset: Dataset, tmp_path: Path) -> None:
    checkpoint = train(dataset, "tcn", CONFIGS["tcn"], seed=0, epochs=1)
    with pytest.raises(ExportError, match="'layer' cannot be served as 'batch_current'"):
        export_checkpoint(checkpoint, tmp_path, name="slopes", version=1, dataset=dataset, norm="batch_current")
    assert not list(tmp_path.iterdir())
