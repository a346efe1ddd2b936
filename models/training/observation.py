"""What each normaliser of a model gets to see, as it happens.

Shape suffixes: B batch, T time, C features, D input width, H hidden width.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from models.lstm import LSTMLayer
from models.norm import BatchNorm, StepBatchNorm, valid_frames
from models.zoo import SequenceModel

Running = BatchNorm | StepBatchNorm  # those with running statistics
_RECURRENT, _CELL = "recurrent_norm", "cell_norm"
Observer = Callable[[str, Tensor, Tensor], None]  # (module path, x_BTC, valid_BT)


@contextmanager
def observed(model: SequenceModel, observe: Observer, names: Collection[str] | None = None) -> Iterator[None]:
    """Call `observe` with what the normalisers at the paths `names` get while open; default: every BatchNorm."""
    names = _with_statistics(model) if names is None else names
    handles = []
    for name, module in model.named_modules():
        if name in names and not _is_inside(name):
            handles.append(module.register_forward_pre_hook(_entering(name, observe)))
        if isinstance(module, LSTMLayer) and f"{name}.{_RECURRENT}" in names:
            handles.append(module.register_forward_hook(_leaving_recurrence(name, observe)))
        if isinstance(module, LSTMLayer) and (cell := f"{name}.{_CELL}") in names:
            handles.append(module.cell_seen.register_forward_pre_hook(_entering(cell, observe)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _with_statistics(model: SequenceModel) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, Running)]


def is_recurrent(name: str) -> bool:
    """Return whether the normaliser at a module path is that of a recurrent path."""
    return name.endswith(f".{_RECURRENT}")


def _is_inside(name: str) -> bool:
    """Return whether a normaliser stands inside a recurrence, where it is called step by step."""
    return is_recurrent(name) or name.endswith(f".{_CELL}")


def _entering(name: str, observe: Observer) -> Callable[..., None]:
    def hook(_module: nn.Module, arguments: tuple[Any, ...]) -> None:
        observe(name, arguments[0], arguments[1])

    return hook


def _leaving_recurrence(name: str, observe: Observer) -> Callable[..., None]:
    # Frame t of the recurrent path is W·h of frame t - 1, so the layer's output tells all of it.
    def hook(layer: LSTMLayer, arguments: tuple[Any, ...], outputs: tuple[Any, ...]) -> None:
        x_BTD, length_B, h_BH, *_ = arguments
        h_BTH = torch.cat([h_BH[:, None], outputs[0][:, :-1]], dim=1)
        observe(f"{name}.{_RECURRENT}", layer.recurrent(h_BTH), valid_frames(length_B, x_BTD.shape[1]))

    return hook
