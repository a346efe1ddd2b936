"""Untrained models of the zoo, their graphs, and comparisons of what a graph answers, to the bit."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
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
    traced = trace(fold(model)[0])
    assert lint_model(traced) == [] or norm == "batch_current"
    return Graph(open_session(traced.SerializeToString()), signature(model))


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


def assert_neighbours_do_not_matter(graph: Graph, frames: int) -> None:
    sequence = numbers(frames)
    whole = alone(graph, sequence)
    for batch, scale, row in ((2, 100.0, 1), (3, 0.0, 0), (8, 100.0, 5), (17, 1.0, 16)):
        neighbours = [numbers(frames, seed + 1, scale) for seed in range(batch)]
        neighbours[row] = sequence
        found = together(graph, neighbours, graph.zero_states(batch), 0, 0.0)
        assert_same_bits(whole, found[row])
