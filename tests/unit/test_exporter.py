"""What the tests keep of an export, so that the same model is traced once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import pytest
import torch
from torch import nn

from tests.exporter import keeping, traced_anew


class Exporter:
    """A stand-in for the exporter of torch, which counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, _model: object, _arguments: object, **_options: object) -> Any:
        self.calls += 1
        return SimpleNamespace(model_proto=onnx.ModelProto(ir_version=self.calls))


class Sized(nn.Module):
    """A model whose size shows in no weight."""

    def __init__(self, window: int, weight: float = 1.0) -> None:
        super().__init__()
        self.window, self.weight = window, nn.Parameter(torch.tensor([weight]))


def test_the_same_model_is_traced_once_and_each_gets_a_graph_of_its_own(tmp_path: Path) -> None:
    exporter = Exporter()
    export = keeping(exporter, tmp_path)
    first, second = (export(Sized(4), (torch.zeros(1),), opset_version=23).model_proto for _ in range(2))
    assert (exporter.calls, first == second, first is second) == (1, True, False)


@pytest.mark.parametrize("other", [Sized(5), Sized(4, weight=2.0), nn.Linear(1, 1)], ids=["size", "weight", "kind"])
def test_another_model_is_traced(tmp_path: Path, other: nn.Module) -> None:
    exporter = Exporter()
    export = keeping(exporter, tmp_path)
    export(Sized(4), (torch.zeros(1),))
    export(other, (torch.zeros(1),))
    assert exporter.calls == 2


def test_other_arguments_and_options_are_traced(tmp_path: Path) -> None:
    exporter = Exporter()
    export = keeping(exporter, tmp_path)
    for arguments, options in [((torch.zeros(1),), {}), ((torch.ones(1),), {}), ((torch.ones(1),), {"verbose": False})]:
        export(Sized(4), arguments, **options)
    assert exporter.calls == 3


def test_what_must_be_traced_anew_is(tmp_path: Path) -> None:
    exporter = Exporter()
    export = keeping(exporter, tmp_path)
    export(Sized(4), ())
    with traced_anew():
        export(Sized(4), ())
    assert exporter.calls == 2


def test_what_cannot_be_written_down_is_traced_each_time(tmp_path: Path) -> None:
    exporter = Exporter()
    export = keeping(exporter, tmp_path)
    for _ in range(2):
        export(Sized(4), (), custom_translation_table={1: lambda x: x})
    assert exporter.calls == 2
