"""A loaded version stays what it is, whatever happens to any of its files; what changed is seen, told and loaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from soloist import Admin, Client, ModelState, SoloistError
from tests.servers import RunningServer, eventually, running_server

_FEATURES = 2048  # two pages: less is copied by ONNX Runtime anyway
FRAMES = np.random.default_rng(3).normal(size=(5, _FEATURES)).astype(np.float32)
_POLL_SECONDS = 0.05
_CONFIG = f"""
max_batch_size: 8
input {{ name: "x" data_type: TYPE_FP32 dims: [ -1, {_FEATURES} ] }}
output {{ name: "y" data_type: TYPE_FP32 dims: [ -1, {_FEATURES} ] label_filename: "names.txt" }}
output {{ name: "sum" data_type: TYPE_FP32 dims: [ {_FEATURES} ] }}
sequence_batching {{ state {{
  input_name: "s" output_name: "t" data_type: TYPE_FP32 dims: [ {_FEATURES} ]
  initial_state {{ name: "zero" data_type: TYPE_FP32 dims: [ {_FEATURES} ] data_file: "start.bin" }}
}} }}
"""


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A server that looks at its repository all the time."""

    server: RunningServer
    client: Client
    admin: Admin

    def folder(self, name: str) -> Path:
        return self.server.repository / name

    def reason(self, name: str) -> str:
        return next(each.reason for each in self.client.models() if each.name == name)

    def is_ready(self, name: str) -> bool:
        return any(each.state is ModelState.READY for each in self.client.models() if each.name == name)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("files")
    _publish(folder / "repository", "always")
    with ExitStack() as stack:
        server = stack.enter_context(
            running_server(folder / "repository", folder, repository_poll_seconds=_POLL_SECONDS, log_format="json")
        )
        yield Shop(
            server=server,
            client=stack.enter_context(Client(server.grpc)),
            admin=stack.enter_context(Admin(server.grpc)),
        )


def _publish(repository: Path, name: str, *, location: str = "weights.bin") -> Path:
    """Write y = x + w, sum = the sum over time, with w beside the graph in a file of its own."""
    model = repository / name
    aside = repository / f".{name}"
    version = aside / "1"
    version.mkdir(parents=True)
    weights = numpy_helper.from_array(np.ones(_FEATURES, np.float32), "w")
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["x", "w"], ["y"]),
            helper.make_node("ReduceSum", ["x", "axis"], ["sum_x"], keepdims=0),
            helper.make_node("Add", ["s", "sum_x"], ["t"]),
            helper.make_node("Identity", ["t"], ["sum"]),
        ],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", "T", _FEATURES]),
            helper.make_tensor_value_info("s", TensorProto.FLOAT, ["B", _FEATURES]),
        ],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["B", "T", _FEATURES]),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["B", _FEATURES]),
            helper.make_tensor_value_info("t", TensorProto.FLOAT, ["B", _FEATURES]),
        ],
        [weights, numpy_helper.from_array(np.array([1], np.int64), "axis")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    tensor = proto.graph.initializer[0]
    place = version / location
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(tensor.raw_data)
    external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    onnx.save_model(proto, version / "model.onnx")
    (aside / "config.pbtxt").write_text(_CONFIG)
    (aside / "names.txt").write_text("".join(f"class {n}\n" for n in range(_FEATURES)))
    (aside / "initial_state").mkdir()
    (aside / "initial_state" / "start.bin").write_bytes(bytes(4 * _FEATURES))
    aside.rename(model)
    return model


def _begin(shop: Shop, name: str, location: str = "weights.bin") -> Path:
    model = _publish(shop.server.repository, name, location=location)
    assert eventually(lambda: shop.is_ready(name)), shop.server.stderr.read_text()
    return model


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:  # in place: the inode stays
        file.write(np.full(path.stat().st_size // 4, 7.0, np.float32).tobytes())


def _truncate(path: Path) -> None:
    os.truncate(path, 0)


FILES = (
    "1/model.onnx",
    "1/weights.bin",
    "config.pbtxt",
    "names.txt",
    "initial_state/start.bin",
)


@pytest.mark.parametrize("spoil", [_overwrite, _truncate, Path.unlink], ids=["overwritten", "truncated", "deleted"])
@pytest.mark.parametrize("file", FILES)
def test_a_loaded_version_does_not_follow_its_files(shop: Shop, file: str, spoil: Callable[[Path], object]) -> None:
    name = f"{spoil.__name__}-{file.replace('/', '-')}".replace("_", "").lower()
    model = _begin(shop, name)
    with shop.client.stream(name, every_frame=True) as stream:
        before = shop.client.predict(name, FRAMES, every_frame=True)
        first = stream.send(FRAMES[:2])
        spoil(model / file)
        assert eventually(lambda: shop.reason(name) != "")
        after = shop.client.predict(name, FRAMES, every_frame=True)
        second = stream.send(FRAMES[2:])
    assert after.outputs.tobytes() == before.outputs.tobytes() == (FRAMES + np.float32(1)).tobytes()
    assert (after.label, after.confidence) == (before.label, before.confidence)
    for key, extra in before.extra_outputs.items():
        assert after.extra_outputs[key].tobytes() == extra.tobytes()
    assert np.concatenate([first.outputs, second.outputs]).tobytes() == before.outputs.tobytes()
    assert shop.server.process.poll() is None


@pytest.mark.parametrize("location", ["weights.bin", "deep/er/weights.bin", "./weights.bin"])
def test_changed_weights_are_loaded_on_request(shop: Shop, location: str) -> None:
    name = f"asked-{location.replace('/', '-')}"
    model = _begin(shop, name, location=location)
    _overwrite(model / "1" / location)
    assert eventually(lambda: "changed" in shop.reason(name))
    shop.admin.load(name)
    assert shop.reason(name) == ""
    outputs = shop.client.predict(name, FRAMES, every_frame=True).outputs
    assert outputs.tobytes() == (FRAMES + np.float32(7)).tobytes()


def test_changed_names_of_classes_are_loaded_on_request(shop: Shop) -> None:
    model = _begin(shop, "renamed")
    index = shop.client.predict("renamed", FRAMES).index
    names = model / "names.txt"
    names.write_text(names.read_text().replace("class ", "kind  "))  # as long as before
    shop.admin.load("renamed")
    assert shop.client.predict("renamed", FRAMES).label == f"kind  {index}"


def test_a_load_without_a_change_loads_nothing(shop: Shop) -> None:
    _begin(shop, "steady")
    shop.admin.load("steady")
    ready = [line for line in shop.server.log() if line["event"] == "model ready" and line["model"] == "steady"]
    assert len(ready) == 1


@pytest.mark.parametrize(
    ("file", "reported"),
    [("1/weights.bin", "weights.bin"), ("names.txt", "names.txt"), ("initial_state/start.bin", "start.bin")],
)
def test_what_has_been_mended_is_tried_again(shop: Shop, file: str, reported: str) -> None:
    name = f"mended-{file.replace('/', '-')}"
    aside = shop.server.repository / f".{name}-aside"
    content = _publish(aside, name) / file
    good = content.read_bytes()
    content.unlink()
    (aside / name).rename(shop.server.repository / name)
    assert eventually(lambda: any(m.state is ModelState.UNAVAILABLE for m in shop.client.models() if m.name == name))
    assert reported in shop.reason(name)
    (shop.server.repository / name / file).write_bytes(good)
    assert eventually(lambda: shop.is_ready(name))
    assert shop.reason(name) == ""


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "../../always/1/weights.bin"])
def test_weights_from_elsewhere_are_refused(shop: Shop, location: str) -> None:
    name = f"strange-{len(location)}"
    model = _publish(shop.server.repository / ".aside", name)
    proto = onnx.load(model / "1" / "model.onnx", load_external_data=False)
    proto.graph.initializer[0].external_data[0].value = location
    (model / "1" / "model.onnx").write_bytes(proto.SerializeToString())
    model.rename(shop.server.repository / name)
    assert eventually(lambda: any(m.state is ModelState.UNAVAILABLE for m in shop.client.models() if m.name == name))
    assert not shop.is_ready(name)
    with pytest.raises(SoloistError) as caught:
        shop.client.predict(name, FRAMES)
    assert caught.value.reason == "MODEL_UNAVAILABLE"
