"""The promise, on exported graphs in ONNX Graph, to the bit: whole = chunks = batched = padded = alone."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch

from export.fold import fold
from export.graph import trace
from export.lint import lint_model
from export.signature import signature
from models import zoo
from models.config import EncoderConfig, LSTMConfig, ModelConfig, TaskSpec, TCNConfig, TransformerConfig
from service.engine.graph import Graph
from service.engine.row import States
from service.engine.session import open_session
from tests.artifacts import copied

Array = npt.NDArray[Any]
NUMBERS = TaskSpec(name="numbers", frames="features", feature_count=5, labels=("a", "b", "c"))
TOKENS = TaskSpec(name="tokens", frames="tokens", token_count=11, labels=("a", "b"), text_encoding="utf8")
WINDOW = 12
STEPS = 9  # with statistics of their own; most sequences go on beyond
CAUSAL: dict[str, ModelConfig] = {
    "lstm-recurrent": LSTMConfig(hidden=13, layers=2, norm_steps=STEPS),
    "lstm-input": LSTMConfig(hidden=13, layers=2, norm_place="input", norm_steps=STEPS),
    "tcn": TCNConfig(channels=19),
    "transformer-pre": TransformerConfig(width=18, heads=3, window=WINDOW, tile=4),
    "transformer-post": TransformerConfig(width=18, heads=3, layers=1, window=WINDOW, tile=4, norm_position="post"),
}
GROUPED: dict[str, ModelConfig] = {  # of 3, 5 and 6 features a group
    "lstm-recurrent-groups": LSTMConfig(hidden=12, layers=2),
    "lstm-input-groups": LSTMConfig(hidden=12, layers=2, norm_place="input"),
    "tcn-groups": TCNConfig(channels=20),
    "transformer-groups": TransformerConfig(width=24, heads=3, window=WINDOW, tile=4),
}
WHOLE_ONLY: dict[str, ModelConfig] = {
    "encoder": EncoderConfig(width=18, heads=3),
    "encoder-groups": EncoderConfig(width=24, heads=3),
}
CONFIGS = {**CAUSAL, **GROUPED, **WHOLE_ONLY}
NORMS = ("none", "layer", "rms", "batch", "dyt")
CASES = [
    *itertools.product(CAUSAL, NORMS),
    *itertools.product(GROUPED, ["group_step"]),
    *itertools.product(["lstm-recurrent", "tcn"], ["batch_naive"]),
    *itertools.product(["lstm-recurrent", "lstm-input"], ["batch_step"]),
    *itertools.product(["transformer-pre", "transformer-post"], ["batch_ffn"]),
]
ENCODERS = [*itertools.product(["encoder"], [*NORMS, "batch_ffn"]), ("encoder-groups", "group_step")]
# They see the future, but keep bits otherwise.
OVER_TIME = [*itertools.product(["lstm-input-groups", "tcn-groups", "transformer-groups"], ["instance", "group"])]
CURRENT = [*itertools.product(["lstm-recurrent", "lstm-input", "tcn", "transformer-pre"], ["batch_current"])]
# One frame, every remainder of 4, and past the window of the Transformer.
LENGTHS = (1, 2, 3, 4, 7, 11, 16, 27, 43)
DRAWN = ("attention.bias", "running_mean", "running_var")
FILLERS = (0.0, 1e30, np.inf, np.nan)


def untrained(task: TaskSpec, config: ModelConfig) -> zoo.SequenceModel:
    """No gain is 1, no bias, mean or moment 0, so that nothing folds by accident."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model = zoo.build(task, config.architecture, config)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if name.endswith("known"):
                tensor.fill_(STEPS)
            if tensor.dtype == torch.float32 and (tensor.ndim == 1 or name.endswith(DRAWN)):
                positive = name.endswith(("running_var", "deviation", "norm.weight"))
                noise = torch.randn(tensor.shape, generator=generator)
                tensor.copy_(0.5 + noise.abs() if positive else 0.3 * noise)
    return model.eval()


@functools.cache
def exported(name: str, norm: str, task: TaskSpec = NUMBERS) -> Graph:
    model = untrained(task, dataclasses.replace(CONFIGS[name], norm=norm))

    def make(folder: Path) -> None:
        onnx.save(trace(fold(model)[0]), folder / "model.onnx")

    with TemporaryDirectory() as folder:
        traced = onnx.load(copied(f"traces/{name}-{norm}-{task.name}", make, Path(folder)) / "model.onnx")
    assert lint_model(traced) == [] or norm == "batch_current"
    return Graph(open_session(traced.SerializeToString()), signature(model))


@pytest.fixture(params=CASES, ids="-".join)
def graph(request: pytest.FixtureRequest) -> Graph:
    return exported(*request.param)


@pytest.fixture(params=[*CASES, *ENCODERS, *OVER_TIME], ids="-".join)
def any_graph(request: pytest.FixtureRequest) -> Graph:
    return exported(*request.param)


def numbers(frames: int, seed: int = 0, scale: float = 1.0) -> Array:
    return (scale * np.random.default_rng([seed, frames]).normal(size=(frames, 5))).astype(np.float32)


def together(graph: Graph, chunks: Sequence[Array], states: States, padding: int, filler: float) -> list[Any]:
    """Run ragged chunks in one call; return each row's outputs and states without any padding."""
    length = np.array([len(chunk) for chunk in chunks], np.int64)
    frames = np.full((len(chunks), length.max() + padding, *chunks[0].shape[1:]), filler, chunks[0].dtype)
    for row, chunk in zip(frames, chunks, strict=True):
        row[: len(chunk)] = chunk
    outputs, following = graph.run(frames, length.tolist(), states)
    return [
        (output[:frames], {name: state[b] for name, state in following.items()})
        for b, (output, frames) in enumerate(zip(outputs, length, strict=True))
    ]


def alone(graph: Graph, frames: Array) -> Any:
    return together(graph, [frames], graph.zero_states(1), 0, 0.0)[0]


def streamed(graph: Graph, frames: Array, chunks: Sequence[int]) -> Any:
    states, outputs = graph.zero_states(1), []
    for chunk in np.split(frames, np.cumsum(chunks)[:-1]):
        output, following = together(graph, [chunk], states, 0, 0.0)[0]
        outputs.append(output)
        states = {name: state[None] for name, state in following.items()}
    return np.concatenate(outputs), following


def assert_same_bits(expected: Any, found: Any) -> None:
    assert expected[0].tobytes() == found[0].tobytes(), "outputs"
    assert np.isfinite(expected[0]).all()
    for name, state in expected[1].items():
        assert state.tobytes() == found[1][name].tobytes(), name


def cuts(frames: int) -> list[list[int]]:
    rng = np.random.default_rng(frames)
    odd = [part for part in (frames - frames // 3 * 3, *[3] * (frames // 3)) if part]
    edges = [[1, frames - 1], [frames - 1, 1]] if frames > 1 else []
    chosen = [[1] * frames, odd, *edges]
    for _ in range(3):
        inside = np.flatnonzero(rng.random(frames - 1) < 0.3) + 1
        chosen.append(np.diff([0, *inside, frames]).tolist())
    return chosen


@pytest.mark.parametrize("frames", LENGTHS)
def test_chunks_are_the_whole(graph: Graph, frames: int) -> None:
    sequence = numbers(frames)
    whole = alone(graph, sequence)
    for chunks in cuts(frames):
        assert_same_bits(whole, streamed(graph, sequence, chunks))


@pytest.mark.parametrize("frames", LENGTHS)
def test_neighbours_do_not_matter(any_graph: Graph, frames: int) -> None:
    sequence = numbers(frames)
    whole = alone(any_graph, sequence)
    for batch, scale, row in ((2, 100.0, 1), (3, 0.0, 0), (8, 100.0, 5), (17, 1.0, 16)):
        neighbours = [numbers(frames, seed + 1, scale) for seed in range(batch)]
        neighbours[row] = sequence
        found = together(any_graph, neighbours, any_graph.zero_states(batch), 0, 0.0)
        assert_same_bits(whole, found[row])


@pytest.mark.parametrize("filler", FILLERS)
@pytest.mark.parametrize("frames", LENGTHS)
def test_padding_does_not_matter(graph: Graph, frames: int, filler: float) -> None:
    sequence = numbers(frames)
    whole = alone(graph, sequence)
    for padding in (1, 2, 3, 4, 9):
        assert_same_bits(whole, together(graph, [sequence], graph.zero_states(1), padding, filler)[0])


def test_streams_at_different_positions_share_batches(graph: Graph) -> None:
    rng = np.random.default_rng(0)
    sequences = [
        numbers(frames, seed, scale=100.0 if seed % 2 else 1.0) for seed, frames in enumerate((43, 31, 20, 3, 1))
    ]
    left = list(sequences)
    rows = [{name: state[0] for name, state in graph.zero_states(1).items()} for _ in sequences]
    outputs: list[list[Array]] = [[] for _ in sequences]
    while live := [i for i, frames in enumerate(left) if len(frames)]:
        chosen = rng.permutation(live)[: rng.integers(1, len(live) + 1)]
        chunks = [left[i][: rng.integers(1, 9)] for i in chosen]
        states = {name: np.stack([rows[i][name] for i in chosen]) for name in rows[0]}
        found = together(graph, chunks, states, int(rng.integers(3)), np.nan)
        for i, chunk, (output, following) in zip(chosen, chunks, found, strict=True):
            left[i], rows[i] = left[i][len(chunk) :], following
            outputs[i].append(output)
    for i, sequence in enumerate(sequences):
        assert_same_bits(alone(graph, sequence), (np.concatenate(outputs[i]), rows[i]))


def test_long_sequences_in_large_chunks(graph: Graph) -> None:
    sequence = numbers(701)
    whole = alone(graph, sequence)
    for chunks in ([1, 700], [350, 351], [512, 189], [699, 1, 1], [100] * 7 + [1]):
        assert_same_bits(whole, streamed(graph, sequence, chunks))


@pytest.mark.parametrize("name", ["lstm-recurrent", "tcn", "transformer-pre"])
def test_tokens(name: str) -> None:
    graph = exported(name, "layer", TOKENS)
    sequence = np.random.default_rng(0).integers(0, 11, 31)
    whole = alone(graph, sequence)
    for chunks in cuts(31):
        assert_same_bits(whole, streamed(graph, sequence, chunks))
    neighbours = [np.random.default_rng(1).integers(0, 11, 40), sequence]
    assert_same_bits(whole, together(graph, neighbours, graph.zero_states(2), 3, 5)[1])


def test_a_token_out_of_range_is_clipped_into_it() -> None:
    graph = exported("tcn", "layer", TOKENS)
    assert_same_bits(alone(graph, np.array([0, 10])), alone(graph, np.array([-7, 99])))


@pytest.mark.parametrize("filler", FILLERS)
@pytest.mark.parametrize(("name", "norm"), [*ENCODERS, *OVER_TIME])
def test_padding_reaches_no_valid_frame_where_all_are_seen(name: str, norm: str, filler: float) -> None:
    graph = exported(name, norm)
    for frames in LENGTHS:
        sequence = numbers(frames)
        whole = alone(graph, sequence)
        for padding in (1, 2, 3, 4, 9):
            assert_same_bits(whole, together(graph, [sequence], {}, padding, filler)[0])


@pytest.mark.parametrize(("name", "norm"), OVER_TIME)
def test_moments_over_time_see_the_future(name: str, norm: str) -> None:
    graph = exported(name, norm)
    assert not graph.signature.states
    sequence = numbers(31)
    difference = np.abs(alone(graph, sequence)[0][:16] - alone(graph, sequence[:16])[0]).max()
    assert difference > 1e-2


@pytest.mark.parametrize(("name", "norm"), CURRENT)
def test_statistics_of_the_batch_at_hand_depend_on_it(name: str, norm: str) -> None:
    graph = exported(name, norm)
    assert not graph.signature.states
    sequence = numbers(31)
    whole = alone(graph, sequence)[0]
    beside = together(graph, [sequence, *(numbers(31, seed, 100.0) for seed in (1, 2, 3))], {}, 0, 0.0)[0][0]
    assert np.abs(beside - whole).max() > 1e-2
    padded = together(graph, [sequence], {}, 7, np.nan)[0][0]
    np.testing.assert_allclose(padded, whole, atol=1e-4)


def test_one_frame_alone_is_lost_to_statistics_of_the_batch_at_hand() -> None:
    graph = exported("lstm-recurrent", "batch_current")
    first, second = (alone(graph, numbers(1, seed, 100.0))[0] for seed in (1, 2))
    assert first.tobytes() == second.tobytes()
