"""The probe against PyTorch: what enters each normaliser, summed; whole = padded = in chunks, up to rounding."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from export.probe.graph import probed_layers, sum_of_squares_output, sum_output, trace_probe
from export.signature import signature
from models import zoo
from models.config import EncoderConfig, LSTMConfig, ModelConfig, TCNConfig, TransformerConfig
from models.data import load
from models.norm import StepBatchNorm
from service.engine.probe import FILE, LayerSums, Probe
from service.engine.session import open_session
from service.loading.servable import LoadPolicy, Servable, load_servable
from service.observers.skew import Moments, PooledSums, measure, thresholds_for
from soloist.v1.model_pb2 import Model, ProbedLayer
from tests.contract.zoo_graphs import NUMBERS, untrained

CASES: list[ModelConfig] = [
    TCNConfig(channels=8, blocks=2, norm="batch"),
    LSTMConfig(hidden=6, layers=2, norm="batch"),
    LSTMConfig(hidden=6, norm="rms"),
    LSTMConfig(hidden=6, norm="batch_step"),
    TransformerConfig(width=8, heads=2, layers=1, window=8, tile=4, norm="batch_ffn"),
    EncoderConfig(width=8, heads=2, layers=1, norm="layer", norm_position="post"),
]
LENGTHS = [9, 1, 6]
POLICY = LoadPolicy(batch_uncertified=False, certify_seconds=0)


def named(config: ModelConfig) -> str:
    return f"{config.architecture}-{config.norm}"


@pytest.fixture(scope="module", params=CASES, ids=named)
def model(request: pytest.FixtureRequest) -> zoo.SequenceModel:
    return untrained(NUMBERS, request.param)


@pytest.fixture(scope="module")
def probe(model: zoo.SequenceModel) -> Probe:
    traced, names = trace_probe(model)
    layers = [
        ProbedLayer(name=name, sum_output=sum_output(name), sum_of_squares_output=sum_of_squares_output(name))
        for name in names
    ]
    described = Model(signature=signature(model))
    described.probe.layers.extend(layers)
    return Probe(open_session(traced.SerializeToString()), described)


def frames_of(lengths: list[int], filler: float) -> npt.NDArray[np.float32]:
    frames = np.random.default_rng(0).normal(1, 3, size=(len(lengths), max(lengths), NUMBERS.feature_count))
    for row, length in zip(frames, lengths, strict=True):
        row[length:] = filler
    return frames.astype(np.float32)


def run_in_torch(
    model: zoo.SequenceModel, frames: npt.NDArray[Any], lengths: list[int], states: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return what the modules themselves were called with [B, T, C], by layer, and the next states."""
    calls: dict[str, list[Tensor]] = {name: [] for name in probed_layers(model)}

    def note(name: str) -> Any:
        def hook(_module: nn.Module, arguments: tuple[Any, ...]) -> None:
            calls[name].append(arguments[0])

        return hook

    handles = [model.get_submodule(name).register_forward_pre_hook(note(name)) for name in calls]
    before = states.get("lstm.position")
    with torch.no_grad():
        _, following = model(torch.from_numpy(frames), torch.tensor(lengths), states)
    for handle in handles:
        handle.remove()
    # Inside a recurrence a module is called once a step, with [B, C].
    seen = {name: x[0] if x[0].dim() == 3 else torch.stack(x, dim=1) for name, x in calls.items()}
    return {
        name: in_deviations_of_its_step(model.get_submodule(name), x, before) for name, x in seen.items()
    }, following


def in_deviations_of_its_step(norm: nn.Module, x_BTC: Tensor, position_B1: Tensor | None) -> Tensor:
    """Compare each frame with the statistics of its own step, where there are such."""
    if not isinstance(norm, StepBatchNorm):
        return x_BTC
    assert position_B1 is not None
    scaled = torch.empty_like(x_BTC)
    for row, first in enumerate(position_B1[:, 0].tolist()):
        for frame in range(x_BTC.shape[1]):
            mean_C, variance_C = norm.running(first + frame)
            scaled[row, frame] = (x_BTC[row, frame] - mean_C) / (variance_C + norm.eps).sqrt()
    return scaled


def test_the_sums_are_those_of_what_pytorch_hands_the_normalisers(model: zoo.SequenceModel, probe: Probe) -> None:
    seen, _ = run_in_torch(model, frames_of(LENGTHS, 0), LENGTHS, model.initial_state(3))
    states = {name: state.numpy() for name, state in model.initial_state(3).items()}
    found = probe.run(frames_of(LENGTHS, np.nan), LENGTHS, states)
    assert found.keys() == seen.keys()
    for name, x_BTC in seen.items():
        total_BC, squares_BC = found[name]
        assert total_BC.dtype == squares_BC.dtype == np.float64
        for row, length in enumerate(LENGTHS):
            valid_TC = x_BTC[row, :length].double().numpy()
            np.testing.assert_allclose(total_BC[row], valid_TC.sum(axis=0), rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(squares_BC[row], (valid_TC**2).sum(axis=0), rtol=1e-4, atol=1e-4)


def test_a_sequence_in_chunks_gives_the_same_sums(model: zoo.SequenceModel, probe: Probe) -> None:
    if not model.causal:
        pytest.skip("takes whole sequences only")
    frames, states = frames_of([9], 0), model.initial_state(1)
    whole = probe.run(frames, [9], {name: state.numpy() for name, state in states.items()})
    pooled: LayerSums = {}
    for chunk in np.split(frames, [1, 2, 6], axis=1):
        arrays = {name: state.numpy() for name, state in states.items()}
        for name, (total, squares) in probe.run(chunk, [chunk.shape[1]], arrays).items():
            before = pooled.get(name, (0.0, 0.0))
            pooled[name] = (before[0] + total, before[1] + squares)
        _, states = run_in_torch(model, chunk, [chunk.shape[1]], states)
    for name, (total, squares) in whole.items():
        np.testing.assert_allclose(pooled[name][0], total, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(pooled[name][1], squares, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("norm", ["none", "dyt", "batch_naive", "instance"])
def test_there_is_no_probe_of_what_has_no_moments_to_watch(norm: str) -> None:
    config = LSTMConfig(hidden=4, norm_place="input")
    assert probed_layers(zoo.build(NUMBERS, "lstm", dataclasses.replace(config, norm=norm))) == {}


def test_the_normaliser_of_an_lstms_cell_is_seen() -> None:
    names = probed_layers(zoo.build(NUMBERS, "lstm", LSTMConfig(hidden=4, norm="layer")))
    assert [name.rsplit(".")[-1] for name in names] == ["input_norm", "recurrent_norm", "cell_norm"]


def loaded(folder: Path) -> Servable:
    return load_servable(folder / "model.onnx", POLICY, name="copied", version=1)


@pytest.fixture
def copied(repository: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(repository / "vowels-tcn-batch" / "1", tmp_path / "copied" / "1"))


def pooled_over(servable: Servable, sequences: list[npt.NDArray[Any]]) -> dict[str, PooledSums]:
    assert servable.probe is not None
    pooled: dict[str, PooledSums] = {}
    for frames in sequences:
        sums = servable.probe.run(frames[None], [len(frames)], servable.runner.initial_states())
        for name, (total, squares) in sums.items():
            more = PooledSums(frames=len(frames), total=total[0], squares=squares[0])
            pooled[name] = pooled[name] + more if name in pooled else more
    return pooled


def test_over_the_training_split_it_finds_the_statistics_that_are_served(copied: Path) -> None:
    servable = loaded(copied)
    pooled = pooled_over(servable, load("vowels").train.sequences)
    for layer in servable.manifest.probe.layers:
        found = pooled[layer.name].moments()
        np.testing.assert_allclose(found.mean, layer.reference.mean, atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(found.variance, layer.reference.variance, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("gain", "crossed"), [(1.0, False), (2.0, True)])
def test_a_gain_crosses_the_thresholds_and_held_out_data_do_not(copied: Path, gain: float, crossed: bool) -> None:
    servable, held_out = loaded(copied), load("vowels").test.sequences
    pooled = pooled_over(servable, [(gain * frames).astype(np.float32) for frames in held_out])
    for layer in servable.manifest.probe.layers:
        skew = measure(pooled[layer.name].moments(), Moments.from_message(layer.reference), layer.eps)
        thresholds = thresholds_for(layer, len(held_out))
        assert thresholds is not None
        assert (skew.variance_tid > thresholds.variance_tid) == crossed
        assert (skew.divergence_nats > thresholds.divergence_nats) == crossed


def test_larger_windows_have_narrower_thresholds(copied: Path) -> None:
    manifest = loaded(copied).manifest
    assert (manifest.probe.quantile, manifest.probe.held_out_sequences) == (0.99, 370)
    for layer in manifest.probe.layers:
        windows = [each.window_sequences for each in layer.thresholds]
        assert windows == sorted(windows)
        for figures in zip(*((t.mean_tid, t.variance_tid, t.divergence_nats) for t in layer.thresholds), strict=True):
            assert list(figures) == sorted(figures, reverse=True)


def test_layer_norm_has_moments_and_nothing_to_compare_them_with(repository: Path) -> None:
    servable = loaded(repository / "vowels-tcn-layer" / "1")
    assert servable.probe is not None
    assert [layer.kind for layer in servable.manifest.probe.layers] == ["layer"] * 3
    assert not any(layer.HasField("reference") or layer.thresholds for layer in servable.manifest.probe.layers)


def test_without_its_probe_a_model_serves_and_says_why_it_is_unwatched(copied: Path) -> None:
    (copied / FILE).unlink()
    servable = loaded(copied)
    assert servable.probe is None
    assert servable.probe_fault.startswith(FILE)


def test_the_probe_of_another_model_is_not_used(copied: Path, repository: Path) -> None:
    shutil.copy(repository / "vowels-tcn-layer" / "1" / FILE, copied / FILE)
    servable = loaded(copied)
    assert servable.probe is None
    assert "belongs to this model" in servable.probe_fault
