"""config.pbtxt: the layout that other servers read."""

from __future__ import annotations

from pathlib import Path

from export.config_pbtxt import config_pbtxt
from export.signature import signature
from models import zoo
from models.config import EncoderConfig, LSTMConfig, TaskSpec, TransformerConfig
from service.loading.model_config import parse, text_of
from soloist.v1.model_pb2 import Model

TASK = TaskSpec(name="numbers", frames="features", feature_count=5, labels=("a", "b", "c"))
TEXT = TaskSpec(name="text", frames="tokens", token_count=7, labels=("a", "b"))


def config(task: TaskSpec, settings: LSTMConfig | TransformerConfig | EncoderConfig) -> str:
    model = zoo.build(task, settings.architecture, settings)
    return config_pbtxt(Model(name="m", signature=signature(model)))


def test_shapes_leave_the_batch_axis_out() -> None:
    text = config(TASK, LSTMConfig())
    assert 'name: "frames"\n  data_type: TYPE_FP32\n  dims: [-1, 5]\n' in text
    assert 'name: "outputs"\n  data_type: TYPE_FP32\n  dims: [-1, 3]\n' in text
    assert 'name: "length"\n  data_type: TYPE_INT64\n  dims: [1]\n  reshape {\n  }\n' in text


def test_tokens_have_one_axis() -> None:
    assert 'name: "frames"\n  data_type: TYPE_INT64\n  dims: [-1]\n' in config(TEXT, LSTMConfig())


def test_every_state_is_paired_and_begins_with_zeros() -> None:
    text = config(TASK, TransformerConfig(window=8, tile=4))
    pairs = [("position", "1"), ("layer.0.keys", "12, 64"), ("pool.count", "1"), ("pool.sum", "64")]
    for name, dims in pairs:
        block = text[text.index(f'input_name: "state.{name}"') :]
        assert f'output_name: "next.{name}"' in block.splitlines()[1]
        assert f"dims: [{dims}]" in block.splitlines()[3]
    assert text.count("zero_data: true") == text.count("input_name:")
    assert "dims: []" not in text


def test_a_model_without_state_is_no_sequence_model() -> None:
    assert "sequence_batching" not in config(TASK, EncoderConfig())


def test_the_servers_own_reader_reads_it(tmp_path: Path) -> None:
    text = config(TASK, LSTMConfig())
    assert text.startswith("# Written by `soloist export`")
    (tmp_path / "config.pbtxt").write_text(text)
    read = parse(tmp_path / "config.pbtxt")
    assert (read.name, read.backend, read.max_batch_size) == ("m", "onnxruntime", 64)
    assert [(each.name, list(each.dims)) for each in read.input] == [("frames", [-1, 5]), ("length", [1])]
    assert read.input[1].HasField("reshape")
    assert text_of(read) in text


def test_braces_and_brackets_are_balanced() -> None:
    for settings in (LSTMConfig(), EncoderConfig()):
        text = config(TASK, settings)
        assert text.count("{") == text.count("}")
        assert text.count("[") == text.count("]")
