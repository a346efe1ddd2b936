"""Versions come and go while a real server runs: what has begun ends on its version, bit for bit."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest
from click.testing import CliRunner

from service.core.errors import Reason
from soloist import ModelState, SoloistError
from soloist.cli.main import main
from soloist.oip import grpc_service_pb2 as oip
from tests.integration.asking import translated
from tests.integration.infer_requests import infer, outputs_of, step, stub_of
from tests.integration.shop import CHUNKS, Shop
from tests.servers import eventually


def test_sequences_survive_a_hot_reload_bit_for_bit(shop: Shop) -> None:
    shop.begin("hot")
    with shop.client.stream("hot", every_frame=True) as alone:
        undisturbed = [alone.send(each).outputs.tobytes() for each in CHUNKS]
    with ExitStack() as stack:
        streams = [stack.enter_context(shop.client.stream("hot", every_frame=True)) for _ in range(3)]
        answers = [[stream.send(each).outputs.tobytes() for each in CHUNKS[:2]] for stream in streams]
        infer(shop.asker, step("s", CHUNKS[0][None], start=True, model="hot"))
        shop.publish("hot", 2, gain=-3.0)
        while shop.answers("hot") == 1:  # the streams go on while the new version is loaded
            for stream, got in zip(streams, answers, strict=True):
                if len(got) < 4:
                    got.append(stream.send(CHUNKS[len(got)]).outputs.tobytes())
        assert eventually(lambda: shop.states("hot") == {1: ModelState.UNLOADING, 2: ModelState.READY})
        for stream, got in zip(streams, answers, strict=True):
            while len(got) < len(CHUNKS):
                result = stream.send(CHUNKS[len(got)])
                assert result.version == 1
                got.append(result.outputs.tobytes())
        (last,) = infer(shop.asker, step("s", CHUNKS[1][None], end=True, model="hot"))
    assert answers == [undisturbed] * 3
    assert last.model_version == "1"
    assert outputs_of(last)["outputs"].tobytes() == undisturbed[1]
    assert eventually(lambda: shop.states("hot") == {1: ModelState.UNLOADED, 2: ModelState.READY})
    assert shop.server.total("soloist_model_info", model="hot") == 1
    assert shop.server.total("soloist_sessions_ended_total", model="hot", reason="complete") == 5
    assert shop.client.predict("hot", CHUNKS[0]).outputs.tobytes() == (-3.0 * np.cumsum(CHUNKS[0], 0))[-1].tobytes()


def test_a_version_that_fails_leaves_the_old_one_serving_and_says_why(shop: Shop) -> None:
    shop.begin("unlucky")
    with shop.client.stream("unlucky") as stream:
        stream.send(CHUNKS[0])
        aside = shop.publish("unlucky-aside", 2)
        aside.write_bytes(aside.read_bytes()[:100])
        aside.parent.rename(shop.server.repository / "unlucky" / "2")
        assert eventually(lambda: shop.states("unlucky").get(2) is ModelState.UNAVAILABLE)
        assert shop.states("unlucky")[1] is ModelState.READY
        assert stream.send(CHUNKS[1]).version == 1
    assert shop.answers("unlucky") == 1
    assert shop.client.ready("unlucky")
    models = {
        (each.name, each.version): each
        for each in stub_of(shop.asker).RepositoryIndex(oip.RepositoryIndexRequest()).models
    }
    assert models["unlucky", "2"].state == "UNAVAILABLE"
    assert models["unlucky", "2"].reason == shop.cause("unlucky", 2) != ""
    with pytest.raises(SoloistError) as caught:
        shop.admin.load("unlucky", 2)
    assert caught.value.reason == Reason.MODEL_UNAVAILABLE.name
    shop.publish("unlucky", 3)
    assert eventually(lambda: shop.answers("unlucky") == 3)


def test_a_folder_that_is_half_written_is_not_loaded(shop: Shop) -> None:
    shop.begin("half")
    whole = (shop.server.repository / "half" / "1" / "model.onnx").read_bytes()
    hidden, bare = (shop.server.repository / "half" / name for name in (".2.partial", "2"))
    for folder in (hidden, bare):
        folder.mkdir()
    (hidden / "model.onnx").write_bytes(whole)
    shop.begin("witness")  # several looks have gone by
    assert shop.states("half") == {1: ModelState.READY}
    (bare / ".model.onnx").write_bytes(whole)
    (bare / ".model.onnx").rename(bare / "model.onnx")
    assert eventually(lambda: shop.answers("half") == 2)


def test_a_file_that_changes_is_reported_and_not_loaded(shop: Shop) -> None:
    shop.begin("changed")
    before = shop.client.predict("changed", CHUNKS[0]).outputs
    aside = shop.publish("changed-aside", 1, gain=2.0)
    aside.rename(shop.server.repository / "changed" / "1" / "model.onnx")
    assert eventually(lambda: "has changed" in shop.cause("changed", 1))
    assert shop.client.predict("changed", CHUNKS[0]).outputs.tobytes() == before.tobytes()
    shop.admin.load("changed")
    assert shop.client.predict("changed", CHUNKS[0]).outputs.tobytes() == (2 * before).tobytes()
    assert shop.cause("changed", 1) == ""


def test_a_model_is_unloaded_and_loaded_by_the_protocol(shop: Shop) -> None:
    shop.begin("leaving")
    stub = stub_of(shop.asker)
    with shop.client.stream("leaving") as stream:
        stream.send([[1.0, 2.0]])
        stub.RepositoryModelUnload(oip.RepositoryModelUnloadRequest(model_name="leaving"))
        assert shop.states("leaving") == {1: ModelState.UNLOADING}
        with pytest.raises(SoloistError) as caught:
            shop.answers("leaving")
        assert (caught.value.reason, caught.value.facts["cause"]) == ("MODEL_NOT_LOADED", "unloaded by an operator")
        assert not stub.ModelReady(oip.ModelReadyRequest(name="leaving")).ready
        assert not shop.client.ready("leaving")
        assert stream.send([[1.0, 2.0]]).outputs.tolist() == [2.0, 4.0]
    assert eventually(lambda: shop.states("leaving") == {1: ModelState.UNLOADED})
    shop.begin("later")  # the looks that go by don't load it
    assert shop.states("leaving") == {1: ModelState.UNLOADED}
    stub.RepositoryModelLoad(oip.RepositoryModelLoadRequest(model_name="leaving"))
    assert stub.ModelReady(oip.ModelReadyRequest(name="leaving", version="1")).ready
    assert shop.answers("leaving") == 1
    assert shop.client.ready()


def test_the_protocol_refuses_to_load_what_it_cannot(shop: Shop) -> None:
    stub = stub_of(shop.asker)
    bring = oip.RepositoryModelLoadRequest(model_name="always")
    bring.parameters["file:1/model.onnx"].bytes_param = b"x"
    for message, reason in (
        (bring, Reason.PARAMETER_UNSUPPORTED),
        (oip.RepositoryModelLoadRequest(model_name="nobody"), Reason.MODEL_NOT_FOUND),
    ):
        with pytest.raises(SoloistError) as caught, translated():
            stub.RepositoryModelLoad(message)
        assert caught.value.reason == reason.name
    with pytest.raises(SoloistError) as caught, translated():
        stub.RepositoryModelUnload(oip.RepositoryModelUnloadRequest(model_name="nobody"))
    assert caught.value.reason == Reason.MODEL_NOT_FOUND.name


def test_a_version_that_is_loaded_again_serves_beside_the_sequences_of_the_old(shop: Shop) -> None:
    shop.begin("again")
    with shop.client.stream("again") as old:
        old.send([[1.0, 2.0]])
        shop.admin.unload("again")
        shop.admin.load("again")
        with shop.client.stream("again") as new:
            assert new.send([[5.0, 5.0]]).outputs.tolist() == [5.0, 5.0]
            assert old.send([[1.0, 2.0]]).outputs.tolist() == [2.0, 4.0]
    assert shop.states("again") == {1: ModelState.READY}


def test_series_of_a_version_go_when_its_folder_goes(shop: Shop) -> None:
    shop.begin("gone")
    shop.publish("gone", 2)
    assert eventually(lambda: shop.states("gone") == {1: ModelState.UNLOADED, 2: ModelState.READY})
    assert shop.server.samples("soloist_requests_total")["soloist_requests_total"].keys() >= {_requests("gone", "1")}
    folder = shop.server.repository / "gone" / "1"
    (folder / "model.onnx").unlink()
    folder.rmdir()
    assert eventually(lambda: shop.states("gone") == {2: ModelState.READY})
    left = shop.server.samples("soloist_requests_total")["soloist_requests_total"]
    assert _requests("gone", "1") not in left
    assert _requests("gone", "2") in left


def _requests(model: str, version: str) -> tuple[tuple[str, str], ...]:
    return (("api", "Predict"), ("code", "OK"), ("model", model), ("version", version))


def _soloist(shop: Shop, *arguments: str) -> list[str]:
    result = CliRunner().invoke(main, [*arguments, "--server", shop.server.grpc])
    return [*result.stdout.splitlines(), *result.stderr.splitlines()]


def test_the_command_line_does_the_same(shop: Shop) -> None:
    shop.begin("typed")
    shop.publish("typed", 2, gain=2.0)
    assert _soloist(shop, "admin", "label", "typed", "stable", "1") == [
        "stable  1",
        "canary percent  0",
        "shadow  none",
    ]
    _soloist(shop, "admin", "label", "typed", "canary", "2")
    _soloist(shop, "admin", "canary", "typed", "2.5")
    _soloist(shop, "admin", "shadow", "typed", "2")
    assert _soloist(shop, "admin", "label", "typed") == ["canary  2", "stable  1", "canary percent  2.5", "shadow  2"]
    frames = shop.server.repository.parent / "frames.csv"
    frames.write_text("1,2\n")
    assert "version 2" in _soloist(shop, "predict", "typed", str(frames), "--version", "canary")[0]
    assert _soloist(shop, "admin", "unload", "typed", "--version", "2") == [
        "MODEL  VERSION  STATE     REASON",
        "typed  1        ready",
        "typed  2        unloaded  unloaded by an operator",
    ]
    assert _soloist(shop, "admin", "load", "typed", "--version", "2")[2] == "typed  2        ready"
    index = [line.split()[:3] for line in _soloist(shop, "admin", "index")]
    assert ["typed", "1", "ready"] in index
    assert _soloist(shop, "admin", "load", "nobody")[0].startswith("soloist: MODEL_NOT_FOUND: ")
