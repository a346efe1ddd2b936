"""Files in the place of a graph or of its weights that are none: cut, endless, elsewhere, pipes, devices, links."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from soloist.v1.model_pb2 import Model
from tests.graphs import Sums
from tests.hostile.entry import Hostile, version
from tests.hostile.graphs import laughs

_WIDTH = 4096  # more than a page: ONNX Runtime would map it


def _content(make: Callable[[bytes], bytes], model: Path) -> None:
    path = Sums(name=model.name).write(model.parent)
    path.write_bytes(make(path.read_bytes()))


def _sparse(size: int, model: Path) -> None:
    path = version(model)
    with path.open("wb") as file:
        file.truncate(size)


def _pipe(model: Path) -> None:
    os.mkfifo(version(model))


def _link(target: str, model: Path) -> None:
    version(model).symlink_to(target)


def _weights(model: Path, *, location: str, offset: int | None = None, length: int | None = None) -> Path:
    """Write y = x + w, where w lies elsewhere."""
    path = version(model)
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[_WIDTH], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        if value is not None:
            weights.external_data.add(key=key, value=str(value))
    shape: list[str | int | None] = ["batch", "time", _WIDTH]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "external",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [weights],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    path.write_bytes(made.SerializeToString())
    return path


def _elsewhere(location: str, model: Path) -> None:
    """Weights outside of the version's folder, of the right size: nothing else is wrong with them."""
    path = _weights(model, location=location.format(repository=model.parent))
    target = Path(location.format(repository=model.parent))
    target = target if target.is_absolute() else path.parent / target
    if not target.exists():
        target.write_bytes(np.ones(_WIDTH, np.float32).tobytes())


def _weights_are(make: Callable[[Path], None], model: Path) -> None:
    path = _weights(model, location="weights.bin")
    make(path.with_name("weights.bin"))


def _misplaced(model: Path, *, offset: int, length: int) -> None:
    path = _weights(model, location="weights.bin", offset=offset, length=length)
    path.with_name("weights.bin").write_bytes(bytes(4 * _WIDTH))


def _short(file: Path) -> None:
    file.write_bytes(b"short")


def _huge(file: Path) -> None:
    with file.open("wb") as opened:
        opened.truncate(2**40)


def _runtime_format(model: Path) -> None:
    version(model).write_bytes(b"\x18\x00\x00\x00ORTM" + bytes(np.random.default_rng(1).bytes(4096)))


def _library(model: Path) -> None:
    path = Sums(name=model.name).write(model.parent)
    path.with_name("ops.so").write_bytes(b"\x7fELF" + bytes(64))
    (model / "config.pbtxt").write_text('model_operations { op_library_filename: "ops.so" }')
    made = onnx.load(path)
    made.ClearField("metadata_props")
    onnx.save(made, path)


def _companion(file: str, content: bytes, manifest: Callable[[str], Model], model: Path) -> None:
    """Write a good graph whose manifest names one more file by its SHA-256."""
    says = manifest(hashlib.sha256(content).hexdigest())
    path = Sums(name=model.name).write(model.parent, manifest=says)
    path.with_name(file).write_bytes(content)


def _one_step(sha256: str) -> Model:
    manifest = Sums(name="sums").manifest
    manifest.one_step_sha256 = sha256
    return manifest


def _probe(sha256: str) -> Model:
    manifest = Sums(name="sums").manifest
    manifest.probe.sha256 = sha256
    return manifest


_LAUGHS = laughs(9).SerializeToString()
MODEL_FILES = (
    Hostile(
        name="one-step-laughs", write=partial(_companion, "one_step.onnx", _LAUGHS, _one_step), says="max_model_nodes"
    ),
    Hostile(
        name="one-step-other",
        write=partial(_companion, "one_step.onnx", _LAUGHS, lambda _: _one_step("00")),
        says="SHA-256 differs",
    ),
    # Answers don't need the probe: the model serves, and the log says why it isn't watched.
    Hostile(name="probe-laughs", write=partial(_companion, "probe.onnx", _LAUGHS, _probe)),
    Hostile(name="truncated", write=partial(_content, lambda b: b[: len(b) // 2]), says="ONNX"),
    Hostile(name="empty-file", write=partial(_content, lambda _: b""), says="ONNX"),
    Hostile(name="garbage", write=partial(_content, lambda _: np.random.default_rng(0).bytes(4096)), says="ONNX"),
    Hostile(name="sparse", write=partial(_sparse, 2**31 + 1), says="2 GiB"),
    Hostile(name="endless-sparse", write=partial(_sparse, 2**42), says="2 GiB"),
    Hostile(name="pipe", write=_pipe, says="no regular file"),
    Hostile(name="device", write=partial(_link, "/dev/zero"), says="no regular file"),
    Hostile(name="proc-file", write=partial(_link, "/proc/self/mem"), says="model.onnx"),
    Hostile(name="runtime-format", write=_runtime_format, says="ONNX"),
    Hostile(name="weights-above", write=partial(_elsewhere, "../weights.bin"), says="outside"),
    Hostile(name="weights-absolute", write=partial(_elsewhere, "{repository}/.weights.bin"), says="outside"),
    Hostile(name="weights-of-the-system", write=partial(_elsewhere, "/etc/passwd"), says="outside"),
    Hostile(name="weights-nul", write=lambda m: (_weights(m, location="weights.bin\0/../x"), None)[1], says="weights"),
    Hostile(name="weights-missing", write=lambda m: (_weights(m, location="weights.bin"), None)[1], says="weights.bin"),
    Hostile(name="weights-short", write=partial(_weights_are, _short), says="External initializer: w"),
    Hostile(name="weights-huge", write=partial(_weights_are, _huge), says="max_model_bytes"),
    Hostile(name="weights-pipe", write=partial(_weights_are, os.mkfifo), says="weights.bin"),
    Hostile(
        name="weights-device", write=partial(_weights_are, lambda f: f.symlink_to("/dev/zero")), says="weights.bin"
    ),
    Hostile(name="weights-loop", write=partial(_weights_are, lambda f: f.symlink_to(f.name)), says="weights.bin"),
    Hostile(name="offset-negative", write=partial(_misplaced, offset=-4096, length=4 * _WIDTH), says="bytes -4096 to"),
    Hostile(name="offset-beyond", write=partial(_misplaced, offset=2**40, length=4 * _WIDTH), says="weights"),
    Hostile(name="length-beyond", write=partial(_misplaced, offset=4096, length=2**62), says="weights"),
    Hostile(name="library", write=_library, says="operators from libraries"),
)
