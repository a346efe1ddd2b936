"""The default models by name: which task and architecture has which sizes, and which normalisers it comes in."""

from __future__ import annotations

import dataclasses

from models.config import CONFIGS, EncoderConfig, LSTMConfig, ModelConfig, TCNConfig, TransformerConfig
from models.norm import NORMS

# Normalisers that only some architectures have; all others are in every one.
_ONLY_IN = {"batch_step": ("lstm",), "batch_ffn": ("transformer", "encoder")}

DEFAULTS: dict[tuple[str, str], ModelConfig] = {
    ("vowels", "lstm"): LSTMConfig(hidden=64, norm_steps=32),
    ("vowels", "tcn"): TCNConfig(),
    ("vowels", "transformer"): TransformerConfig(),
    ("vowels", "encoder"): EncoderConfig(),
    ("digits", "lstm"): LSTMConfig(hidden=96),
    ("digits", "tcn"): TCNConfig(blocks=4),
    ("digits", "transformer"): TransformerConfig(),
    ("digits", "encoder"): EncoderConfig(),
    ("languages", "lstm"): LSTMConfig(hidden=128, norm_steps=160),
    ("languages", "tcn"): TCNConfig(blocks=4),
    ("languages", "transformer"): TransformerConfig(),
    ("languages", "encoder"): EncoderConfig(),
}


def names() -> list[str]:
    """Every name `configuration` knows: "<task>-<architecture>-<norm>"."""
    return [f"{task}-{architecture}-{norm}" for task, architecture in DEFAULTS for norm in norms(architecture)]


def norms(architecture: str) -> tuple[str, ...]:
    """Return the normalisers an architecture can be trained with."""
    return tuple(norm for norm in NORMS if architecture in _ONLY_IN.get(norm, CONFIGS))


def with_norm(config: ModelConfig, norm: str) -> ModelConfig:
    """Return a config with another normaliser; in an LSTM, moments over time are those of its input."""
    if isinstance(config, LSTMConfig) and norm in ("instance", "group"):
        return dataclasses.replace(config, norm=norm, norm_place="input")
    return dataclasses.replace(config, norm=norm)


def configuration(name: str) -> tuple[str, str, ModelConfig]:
    """Return (task name, architecture, config) of a default model. Raises KeyError for an unknown name."""
    task, architecture, norm = name.split("-")
    if norm not in norms(architecture):
        raise KeyError(name)
    return task, architecture, with_norm(DEFAULTS[task, architecture], norm)
