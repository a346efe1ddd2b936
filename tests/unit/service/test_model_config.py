"""What can't be served as its configuration says is refused, and told which tensor is the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.loading.manifest import ManifestError
from tests.third_party import (
    AUXILIARY,
    BATCH_SECOND,
    BEGUN,
    CONTROLS,
    NO_BATCH,
    UNTOLD,
    WINDOW,
    ThirdPartyModel,
)
from tests.third_party.model import normal, parameter, state
from tests.third_party.untimed import CACHE
from tests.unit.service.described import described

REFUSED: dict[str, tuple[ThirdPartyModel, str, str, tuple[str, ...]]] = {
    # what is wrong: (model, text in its configuration, what stands there instead, what has to be told)
    "no-protobuf": (NO_BATCH, "max_batch_size", "max_batch_sice", ("can't be parsed",)),
    "ensemble": (NO_BATCH, "max_batch_size: 0", 'platform: "ensemble"', ("platform 'ensemble'",)),
    "python": (NO_BATCH, "max_batch_size: 0", 'backend: "python"', ("backend 'python'",)),
    "decoupled": (NO_BATCH, "max_batch_size: 0", "model_transaction_policy { decoupled: true }", ("decoupled",)),
    "negative": (NO_BATCH, "max_batch_size: 0", "max_batch_size: -1", ("max_batch_size",)),
    "ragged": (UNTOLD, "", 'max_batch_size: 4 input { name: "x" allow_ragged_batch: true }', ("'x'", "ragged")),
    "iterative": (NO_BATCH, "batching {", "batching { iterative_sequence: true ", ("iterative",)),
    "unknown-input": (NO_BATCH, '{ name: "x"', '{ name: "z"', ("no input 'z'", "x")),
    "unknown-output": (NO_BATCH, '{ name: "y"', '{ name: "z"', ("no output 'z'",)),
    "unknown-state": (NO_BATCH, 'input_name: "s"', 'input_name: "z"', ("no input 'z'",)),
    "no-counterpart": (NO_BATCH, 'output_name: "s_next"', 'output_name: "z"', ("no output 'z'",)),
    "state-of-another-size": (BEGUN, 'output_name: "s_next"', 'output_name: "y"', ("state 's'", "'y'")),
    "wrong-type": (NO_BATCH, '"x" data_type: TYPE_FP32', '"x" data_type: TYPE_INT8', ("'x'", "int8", "float")),
    "type-of-the-future": (NO_BATCH, '"x" data_type: TYPE_FP32', '"x" data_type: 99', ("'x'", "99")),
    "string": (NO_BATCH, '"x" data_type: TYPE_FP32', '"x" data_type: TYPE_STRING', ("'x'", "TYPE_STRING")),
    "other-features": (NO_BATCH, "dims: [ -1, 3 ]", "dims: [ -1, 5 ]", ("'x'", "[-1, 5]", "[-1, 3]")),
    "other-rank": (NO_BATCH, "dims: [ -1, 3 ]", "dims: [ -1, 1, 3 ]", ("'x'", "[-1, 3]")),
    "dims-with-batch": (BEGUN, "TYPE_FP32 dims: [ 2 ] }", "TYPE_FP32 dims: [ -1, 2 ] }", ("'x'", "batch axis")),
    "two-batch-axes": (BATCH_SECOND, "time batch feature", "batch batch feature", ("'x'", "two batch")),
    "two-time-axes": (BATCH_SECOND, "time batch feature", "time time feature", ("'x'", "two time")),
    "too-few-words": (BATCH_SECOND, "time batch feature", "time batch", ("'x'", "2 words")),
    "state-in-time": (BATCH_SECOND, "layer batch hidden", "time batch hidden", ("'s'", "time axis")),
    "a-layout-of-nothing": (BATCH_SECOND, "layout.x", "layout.z", ("layout.z",)),
    "several-that-vary": (
        UNTOLD,
        "",
        f'max_batch_size: 0 input {{ name: "x" }} {parameter("causal", "true")}',
        ("'x'", "layout.x", "time"),
    ),
    "no-time-but-a-layout": (
        BATCH_SECOND,
        "max_batch_size: 4",
        f'max_batch_size: 4 {parameter("time_axis", "false")}',
        ("time_axis", "layout."),
    ),
    "no-such-frames": (AUXILIARY, 'value { string_value: "x" }', 'value { string_value: "z" }', ("'z'",)),
    "a-length-that-is-an-output": (
        NO_BATCH,
        "max_batch_size: 0",
        f'max_batch_size: 0 {parameter("length_input", "y")}',
        ("length_input", "'y'", "none of the inputs x"),
    ),
    "a-length-that-is-a-state": (
        NO_BATCH,
        "max_batch_size: 0",
        f'max_batch_size: 0 {parameter("length_input", "s")}',
        ("length_input", "'s'", "none of the inputs x"),
    ),
    "a-constant-output": (
        NO_BATCH,
        "max_batch_size: 0",
        f'max_batch_size: 0 {parameter("constant.y", "1")}',
        ("constant.y", "none of the inputs x"),
    ),
    "an-odd-flag": (CONTROLS, 'value { string_value: "true" }', 'value { string_value: "yes" }', ("'yes'",)),
    "tokens-of-floats": (
        NO_BATCH,
        "max_batch_size: 0",
        f'max_batch_size: 0 {parameter("token_count", "9")}',
        ("'x'", "doesn't hold whole numbers"),
    ),
    "no-tokens": (
        NO_BATCH,
        "max_batch_size: 0",
        f'max_batch_size: 0 {parameter("token_count", "0")}',
        ("token_count", "above 0"),
    ),
    "no-default": (AUXILIARY, 'name: "gain"', 'name: "gain" optional: true', ("'gain'", "optional")),
    "no-json": (AUXILIARY, "[0.25, -0.5]", "a quarter", ("constant.bias", "JSON")),
    "constant-of-another-size": (AUXILIARY, "[0.25, -0.5]", "[1, 2, 3]", ("'bias'",)),
    "constant-of-another-type": (WINDOW, '"16000"', '"0.5"', ("'rate'", "int64")),
    "no-such-file": (BEGUN, "thirds.bin", "halves.bin", ("'s'", "halves.bin")),
    "a-file-elsewhere": (BEGUN, "thirds.bin", "../config.pbtxt", ("'s'", "initial_state")),
    "initial-of-another-size": (BEGUN, 'dims: [ 2, 2 ] data_file', 'dims: [ 2, 3 ] data_file', ("'s'", "[2, 3]")),
    "initial-of-another-order": (BEGUN, 'dims: [ 2, 2 ] data_file', 'dims: [ 4, 1 ] data_file', ("'s'", "[4, 1]")),
    "initial-of-another-type": (
        BEGUN,
        'data_type: TYPE_FP32 dims: [ 2, 2 ] data_file',
        'data_type: TYPE_INT32 dims: [ 2, 2 ] data_file',
        ("'s'", "TYPE_INT32", "TYPE_FP32"),
    ),
    "initial-of-another-type-without-time": (
        CACHE,
        'data_type: TYPE_FP32 dims: [ 1, 0, 2 ]',
        'data_type: TYPE_INT32 dims: [ 1, 0, 2 ]',
        ("'past'", "TYPE_INT32", "TYPE_FP32"),
    ),
    "initial-of-another-size-without-time": (
        CACHE, 'dims: [ 1, 0, 2 ]', 'dims: [ 1, 0, 3 ]', ("'past'", "[1, 0, 3]", "[-1, -1, 2]"),
    ),
    "control-without-values": (CONTROLS, "fp32_false_true: [ 0, 10 ]", "", ("'begins'", "two values")),
    "control-of-another-type": (
        CONTROLS,
        "fp32_false_true: [ 0, 10 ]",
        "int32_false_true: [ 0, 1 ]",
        ("'begins'", "INT"),
    ),
    "number-of-another-type": (
        CONTROLS,
        "data_type: TYPE_INT64 } }",
        "data_type: TYPE_STRING } }",
        ("'number'", "STRING"),
    ),
    "per-frame-without-time": (
        AUXILIARY,
        '"constant.bias" value { string_value: "[0.25, -0.5]" }',
        '"per_frame.bias" value { string_value: "true" }',
        ("'bias'", "time axis"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_served_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    model, text, instead, reported = REFUSED[name]
    assert text in model.config
    with pytest.raises(ManifestError) as caught:
        described(model, tmp_path, model.config.replace(text, instead, 1) if text else instead)
    for word in reported:
        assert word in str(caught.value)


def test_a_file_of_another_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "initial_state").mkdir()
    (tmp_path / "initial_state" / "thirds.bin").write_bytes(bytes(15))
    with pytest.raises(ManifestError, match="15 bytes, state 's' takes 16"):
        described(BEGUN, tmp_path, BEGUN.config)


TRUTHS = ThirdPartyModel(
    name="truths",
    graph="""keep (float[N,2] x, bool[N,2] s) => (float[N,2] y, bool[N,2] s_next) {
  s_next = Not (s)
  kept = Cast <to = 1> (s)
  y = Add (x, kept)
}""",
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ 2 ] }\n'
    'output { name: "y" data_type: TYPE_FP32 dims: [ 2 ] }\nsequence_batching { '
    + state(
        "s",
        "s_next",
        "2",
        "TYPE_BOOL",
        'initial_state { name: "truths" data_type: TYPE_BOOL dims: [ 2 ] data_file: "truths.bin" }',
    )
    + "}\n",
    frames=normal(2),
    feed=lambda chunk: {"x": chunk},
    outputs={"y": None},
)


@pytest.mark.parametrize("more", ["", parameter("time_axis", "false")], ids=["timed", "untimed"])
def test_a_file_with_bytes_that_are_neither_true_nor_false_is_refused(tmp_path: Path, more: str) -> None:
    (tmp_path / "initial_state").mkdir()
    file = tmp_path / "initial_state" / "truths.bin"
    file.write_bytes(b"\0\1")
    assert (described(TRUTHS, tmp_path, TRUTHS.config + more).untimed is None) == (not more)
    file.write_bytes(b"\1\2")
    with pytest.raises(ManifestError, match="a byte 2, state 's' takes 0 and 1"):
        described(TRUTHS, tmp_path, TRUTHS.config + more)


def test_strings_in_the_graph_are_refused(tmp_path: Path) -> None:
    words = ThirdPartyModel(
        name="words",
        graph="words (string[B] x, float[B,T] z) => (string[B] y, float[B,T] w) { y = Identity (x)  w = Neg (z) }",
        config="",
        frames=UNTOLD.frames,
        feed=UNTOLD.feed,
        outputs={},
    )
    with pytest.raises(ManifestError, match="'x' is tensor\\(string\\)"):
        described(words, tmp_path, "")
