"""What a task and an architecture are set up with: frozen dataclasses and their JSON form."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import ClassVar, Literal

FrameKind = Literal["features", "tokens"]
NormPlace = Literal["recurrent", "input"]
NormPosition = Literal["pre", "post"]


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """What a classifier reads and answers: [time, feature_count] numbers or [time] tokens, and one of `labels`."""

    name: str
    frames: FrameKind
    labels: tuple[str, ...]
    feature_count: int = 0  # numbers a frame holds; 0 for tokens
    token_count: int = 0  # distinct tokens; 0 for numbers
    text_encoding: str = ""  # "utf8": one token a byte; "": frames are numbers


@dataclass(frozen=True, kw_only=True)
class LSTMConfig:
    """Sizes of an LSTM and where its normaliser stands (models/lstm.py)."""

    architecture: ClassVar[str] = "lstm"
    hidden: int = 64
    layers: int = 1
    norm: str = "layer"
    norm_place: NormPlace = "recurrent"
    norm_steps: int = 64  # steps with statistics of their own, for norm "batch_step"; later ones use the last one's
    dropout: float = 0.1
    embedding: int = 32  # width of a token's vector; unused by tasks with numbers


@dataclass(frozen=True, kw_only=True)
class TCNConfig:
    """Sizes of a causal, dilated, residual convolution stack (models/tcn.py)."""

    architecture: ClassVar[str] = "tcn"
    channels: int = 64
    blocks: int = 3
    kernel: int = 3
    norm: str = "layer"
    dropout: float = 0.1
    embedding: int = 32


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Sizes of a causal Transformer; keys reach `window` frames back, own frame included (models/transformer.py)."""

    architecture: ClassVar[str] = "transformer"
    width: int = 64
    heads: int = 4
    layers: int = 2
    window: int = 64
    tile: int = 16  # frames handled together, aligned to absolute positions; divides window
    norm: str = "layer"
    norm_position: NormPosition = "pre"
    dropout: float = 0.1
    embedding: int = 32


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Sizes of a bidirectional Transformer encoder: it sees the future, so it isn't causal (models/encoder.py)."""

    architecture: ClassVar[str] = "encoder"
    width: int = 64
    heads: int = 4
    layers: int = 2
    norm: str = "layer"
    norm_position: NormPosition = "pre"
    dropout: float = 0.1
    embedding: int = 32


ModelConfig = LSTMConfig | TCNConfig | TransformerConfig | EncoderConfig

CONFIGS: dict[str, type[ModelConfig]] = {
    kind.architecture: kind for kind in (LSTMConfig, TCNConfig, TransformerConfig, EncoderConfig)
}


def config_to_json(config: ModelConfig) -> str:
    """One line of JSON with sorted keys; the architecture is one of them."""
    return json.dumps({"architecture": config.architecture, **dataclasses.asdict(config)}, sort_keys=True)


def config_from_json(text: str) -> ModelConfig:
    """Inverse of `config_to_json`. Raises KeyError for an unknown architecture, TypeError for an unknown field."""
    fields = json.loads(text)
    return CONFIGS[fields.pop("architecture")](**fields)


def task_to_json(task: TaskSpec) -> str:
    """One line of JSON with sorted keys."""
    return json.dumps(dataclasses.asdict(task), sort_keys=True)


def task_from_json(text: str) -> TaskSpec:
    """Inverse of `task_to_json`. Raises TypeError for an unknown or missing field."""
    fields = json.loads(text)
    return TaskSpec(**{**fields, "labels": tuple(fields["labels"])})
