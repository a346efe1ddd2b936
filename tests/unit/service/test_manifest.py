from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from service.engine.model_file import ModelFileError
from service.engine.session import open_session
from service.loading.manifest import ManifestError, read_manifest
from soloist.v1 import tensor_pb2
from soloist.v1.model_pb2 import Model
from tests.graphs import METADATA_KEY, Sums

SUMS = Sums(name="sums")


def test_a_true_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_manifest(open_session(SUMS.write(tmp_path))) == SUMS.manifest


def test_a_field_from_the_future_is_ignored(tmp_path: Path) -> None:
    path = SUMS.write(tmp_path)
    model = onnx.load(path)
    text = model.metadata_props[0].value.replace("{", '{"fieldOfTomorrow": 1,', 1)
    onnx.helper.set_model_props(model, {METADATA_KEY: text})
    onnx.save(model, path)
    assert read_manifest(open_session(path)) == SUMS.manifest


def _unnamed_input(manifest: Model) -> None:
    manifest.signature.ClearField("length")


def _wrong_type(manifest: Model) -> None:
    manifest.signature.frames.data_type = tensor_pb2.DATA_TYPE_FLOAT64


def _no_type(manifest: Model) -> None:
    manifest.signature.outputs.data_type = tensor_pb2.DATA_TYPE_UNSPECIFIED


def _missing_output(manifest: Model) -> None:
    manifest.signature.outputs.name = "answers"


def _invented_input(manifest: Model) -> None:
    manifest.signature.states[0].input = "state.other"


def _invented_state(manifest: Model) -> None:
    manifest.signature.states.add(name="b", input="state.b", output="next.b", data_type=tensor_pb2.DATA_TYPE_FLOAT32)


def _no_truth(manifest: Model) -> None:
    state = manifest.signature.states[0]
    state.initial.CopyFrom(tensor_pb2.Tensor(data_type=tensor_pb2.DATA_TYPE_BOOL, shape=[2], data=b"\1\2"))


def _no_constant_truth(manifest: Model) -> None:
    given = manifest.signature.inputs.add()
    given.tensor.CopyFrom(manifest.signature.length)
    manifest.signature.ClearField("length")
    given.constant.CopyFrom(tensor_pb2.Tensor(data_type=tensor_pb2.DATA_TYPE_BOOL, shape=[1], data=b"\xff"))


def _initial(**fields: Any) -> Callable[[Model], None]:
    def spoil(manifest: Model) -> None:
        value = {"data_type": tensor_pb2.DATA_TYPE_FLOAT32, "shape": [2], "data": bytes(8), **fields}
        manifest.signature.states[0].initial.CopyFrom(tensor_pb2.Tensor(**value))

    return spoil


def _state_shape(*shape: int) -> Callable[[Model], None]:
    def spoil(manifest: Model) -> None:
        manifest.signature.states[0].shape[:] = shape

    return spoil


def _short_constant(manifest: Model) -> None:
    given = manifest.signature.inputs.add()
    given.tensor.CopyFrom(manifest.signature.length)
    manifest.signature.ClearField("length")
    given.constant.CopyFrom(tensor_pb2.Tensor(data_type=given.tensor.data_type, data=bytes(7)))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_initial(data=bytes(7)), r"has 7 bytes for 'sum', and its shape \[2\] takes 8"),
        (_initial(data=bytes(4)), r"has 4 bytes for 'sum', and its shape \[2\] takes 8"),
        (_initial(data=b""), r"has 0 bytes for 'sum', and its shape \[2\] takes 8"),
        (_initial(shape=[-1]), r"'sum' whose shape \[-1\] is none"),
        (_initial(shape=[0, 2**62], data=b""), "'sum' whose shape .* is none"),
        (_initial(shape=[1] * 70, data=bytes(4)), "'sum' whose shape .* is none"),
        (_initial(data_type=tensor_pb2.DATA_TYPE_UNSPECIFIED), "a value of type .* for 'sum', which takes "),
        (_initial(data_type=tensor_pb2.DATA_TYPE_INT64, data=bytes(16)), "a value of type .* for 'sum', which takes "),
        (_state_shape(-1), r"state 'sum' the shape \[-1\], which is none"),
        (_state_shape(2**62), "state 'sum' the shape .*, which is none"),
        (_state_shape(0, 2**62), "state 'sum' the shape .*, which is none"),
        (_short_constant, r"has 7 bytes for 'length', and its shape \[\] takes 8"),
        (_no_truth, "a byte 2 for 'sum', which takes 0 and 1"),
        (_no_constant_truth, "a byte 255 for 'length', which takes 0 and 1"),
        (_unnamed_input, "doesn't name the inputs length"),
        (_wrong_type, r"input 'frames' is tensor\(double\) in the manifest and tensor\(float\) in the graph"),
        (_no_type, "gives output 'outputs' no element type"),
        (_missing_output, r"output 'answers' is tensor\(float\) in the manifest and None in the graph"),
        (_invented_input, "doesn't name the inputs state.sum"),
        (_invented_state, "'state.b' is"),
    ],
)
def test_a_manifest_that_is_not_true_of_its_graph_is_refused(tmp_path: Path, spoil: object, said: str) -> None:
    manifest = SUMS.manifest
    assert callable(spoil)
    spoil(manifest)
    with pytest.raises(ManifestError, match=said):
        read_manifest(open_session(SUMS.write(tmp_path, manifest=manifest)))


@pytest.mark.parametrize(("text", "said"), [(None, "soloist export"), ("{", "can't be parsed"), ("[]", "inputs")])
def test_a_manifest_that_cannot_be_read_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    path = SUMS.write(tmp_path)
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {} if text is None else {METADATA_KEY: text})
    onnx.save(model, path)
    with pytest.raises(ManifestError, match=said):
        read_manifest(open_session(path))


@pytest.mark.parametrize("content", [None, b"", b"no model"])
def test_a_file_that_is_no_model_is_refused_and_its_place_kept_secret(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        open_session(path)
    assert str(tmp_path) not in str(caught.value)
