"""What is read of a configuration, of the files it names and of the graph: names of classes, axes, what is left out."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from service.engine.onnx_runtime import ort
from service.loading.manifest import ManifestError
from service.loading.model_config import describe
from service.loading.servable import LoadPolicy, load_servable
from service.loading.warm_up import zeros
from tests.third_party import (
    BEGUN,
    BLOCKS,
    NO_BATCH,
    UNTOLD,
    WINDOW,
    ThirdPartyModel,
)
from tests.unit.service.described import described

CLASSES = 'TYPE_FP32 dims: [ 2 ] label_filename: "classes.txt" }'


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("\ufefffür\r\n\r\n", ["für", ""]),
        (" \n\u3000", [" ", "\u3000"]),
        (" a \r\n\tb\t\n", [" a ", "\tb\t"]),
        ("a\r\r\nb", ["a\r", "b"]),
        ("\r\r\n\u2028\n", ["\r", "\u2028"]),
        ("\x0b\x0c\n\x1c\x1d\x1e\x85\u2029", ["\x0b\x0c", "\x1c\x1d\x1e\x85\u2029"]),
        ("\n\n", ["", ""]),
        ("\0\n\ufeff", ["\0", "\ufeff"]),
        ("same\nsame\n", ["same", "same"]),
    ],
    ids=["windows", "spaces", "around", "two-returns", "return", "other-ends", "empty", "odd", "same"],
)
def test_classes_have_the_names_of_their_file(tmp_path: Path, content: str, names: list[str]) -> None:
    path = _labelled(tmp_path, content.encode())
    servable = load_servable(path, LoadPolicy(batch_uncertified=False, certify_seconds=0), name="begun", version=1)
    assert list(servable.manifest.labels) == names


@pytest.mark.parametrize(
    ("content", "config", "reported"),
    [
        (None, CLASSES, "No such file"),
        (b"one\n", CLASSES, "1 lines, and 'y' 2 classes"),
        (b"one\ntwo\n\n", CLASSES, "3 lines, and 'y' 2 classes"),
        (b"one\rtwo", CLASSES, "1 lines, and 'y' 2 classes"),
        (b"one\nt\xff", CLASSES, "line 2 isn't UTF-8"),
        (b"one\ntwo\n", CLASSES.replace("classes", "../begun/classes"), "no file next to it"),
    ],
    ids=["missing", "too-few", "one-more", "old-mac", "no-text", "elsewhere"],
)
def test_classes_without_names_are_refused(tmp_path: Path, content: bytes | None, config: str, reported: str) -> None:
    path = _labelled(tmp_path, content, config)
    with pytest.raises(ManifestError, match=reported):
        describe(path.parents[1] / "config.pbtxt", ort.InferenceSession(path))


def test_what_has_no_axis_of_classes_has_no_names(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("one")
    config = NO_BATCH.config.replace("dims: [ -1 ] }", 'dims: [ -1 ] label_filename: "classes.txt" }')
    with pytest.raises(ManifestError, match="number of classes"):
        described(NO_BATCH, tmp_path, config)


def _labelled(folder: Path, content: bytes | None, output: str = CLASSES) -> Path:
    """Write BEGUN with names for its classes."""
    before, behind = BEGUN.config.split('name: "y" data_type: TYPE_FP32 dims: [ 2 ] }')
    path = replace(BEGUN, config=f'{before}name: "y" data_type: {output}{behind}').write(folder)
    if content is not None:
        (path.parents[1] / "classes.txt").write_bytes(content)
    return path


def test_what_a_configuration_leaves_out_comes_from_the_graph(tmp_path: Path) -> None:
    found = described(UNTOLD, tmp_path, "max_batch_size: 2")
    assert [(each.name, list(each.dims)) for each in found.config.input] == [("x", [-1, 2])]
    assert [(each.name, list(each.dims)) for each in found.config.output] == [("y", [-1, 2]), ("top", [-1])]
    assert found.config.max_batch_size == 2


def test_without_a_configuration_there_are_no_states(tmp_path: Path) -> None:
    found = described(UNTOLD, tmp_path, "")
    assert found.config.max_batch_size > 0
    assert not found.model.causal
    assert list(found.model.signature.frames.shape) == [-1, -1, 2]


def test_an_axis_that_the_graph_fixes_says_how_many_frames_a_run_takes(tmp_path: Path) -> None:
    assert described(BLOCKS, tmp_path, BLOCKS.config).model.signature.frames_per_run == 4
    assert described(WINDOW, tmp_path, WINDOW.config).model.signature.frames_per_run == 1


DOCUMENTED = {
    "voice": """voice (float[B,576] x, float[2,B,128] state, int64 rate)
  => (float[B,1] speech, float[2,B,128] state_next) {
  axes = Constant <value = int64[2] {0, 2}> ()
  one = Constant <value = int64[1] {1}> ()
  state_next = Tanh (state)
  total = ReduceSum <keepdims = 0> (state, axes)
  speech = Unsqueeze (total, one)
}""",
    "scores": """scores (float[T,B,40] features, float[T,B] mask, float[B,256] speaker)
  => (float[T,B,12] scores, float[T,B] energy) {
  first = Constant <value = int64[1] {0}> ()
  end = Constant <value = int64[1] {12}> ()
  axis = Constant <value = int64[1] {2}> ()
  scores = Slice (features, first, end, axis)
  energy = Neg (mask)
}""",
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_documented_examples_are_true(tmp_path: Path, name: str) -> None:
    page = (Path(__file__).parents[3] / "docs" / "third-party-models.md").read_text()
    text = re.findall(r"```\n(max_batch_size.*?)```", page, re.DOTALL)[list(DOCUMENTED).index(name)]
    model = ThirdPartyModel(
        name=name, graph=DOCUMENTED[name], config=text, frames=UNTOLD.frames, feed=UNTOLD.feed, outputs={}
    )
    path = model.write(tmp_path)
    servable = load_servable(path, LoadPolicy(batch_uncertified=False, certify_seconds=0), name=name, version=1)
    (result,) = servable.runner.run_rows([zeros(servable.require_time_axis().graph, 5)])
    assert result.outputs.shape == {"voice": (5, 1), "scores": (5, 12)}[name]
    assert {name: array.shape for name, array in result.extra.items()} in ({}, {"energy": (5,)})
