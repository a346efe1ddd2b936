"""Versions come and go while a real server runs: what has begun ends on its version, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from service.core.errors import Reason
from service.repository.rollout import place_of
from soloist import Admin, Client, ModelState, SoloistError
from soloist.cli.main import main
from soloist.oip import grpc_service_pb2 as oip
from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.integration.asking import CLOSE, Asker, asking, chunk, ones, tensor, translated
from tests.integration.infer_requests import converse, infer, outputs_of, request, step, stub_of
from tests.integration.publishing import publish
from tests.servers import RunningServer, eventually, running_server

_POLL_SECONDS = 0.05
CHUNKS = np.random.default_rng(5).normal(size=(6, 3, 2)).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A server that looks at its repository all the time, and everybody who talks to it."""

    server: RunningServer
    client: Client
    admin: Admin
    asker: Asker

    def publish(self, name: str, version: int, *, gain: float = 1.0, features: int = 2) -> Path:
        return publish(self.server.repository, Sums(name=name, gain=gain, features=features), version)

    def begin(self, name: str, version: int = 1) -> None:
        """Publish a first version and wait until it answers."""
        self.publish(name, version)
        assert eventually(lambda: self.states(name) == {version: ModelState.READY})

    def states(self, name: str) -> dict[int, ModelState]:
        return {each.version: each.state for each in self.client.models() if each.name == name}

    def cause(self, name: str, version: int) -> str:
        return next(each.reason for each in self.client.models() if (each.name, each.version) == (name, version))

    def answers(self, name: str) -> int:
        return self.client.predict(name, CHUNKS[0]).version

    def shadow_steps(self, name: str) -> dict[str, int]:
        found = self.server.samples("soloist_shadow_steps_total")["soloist_shadow_steps_total"]
        labels = {"model": name, "version": "1"}.items()
        return {dict(key)["outcome"]: int(n) for key, n in found.items() if labels <= dict(key).items() and n}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("reload")
    publish(folder / "repository", Sums(name="always"), 1)
    with ExitStack() as stack:
        server = stack.enter_context(
            running_server(folder / "repository", folder, repository_poll_seconds=_POLL_SECONDS, transport=transport)
        )
        yield Shop(
            server=server,
            client=stack.enter_context(Client(server.grpc)),
            admin=stack.enter_context(Admin(server.grpc)),
            asker=stack.enter_context(asking(server.grpc)),
        )


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


def _label(shop: Shop, label: str) -> list[int]:
    """Ask for a label in every way; return the versions that answered."""
    asker = shop.asker
    with translated():
        predicted = asker.stub.Predict(pb.PredictRequest(model="named", version_label=label, frames=tensor(CHUNKS[0])))
        compared = asker.stub.Compare(pb.CompareRequest(model="named", version_label=label, frames=tensor(CHUNKS[0])))
        reported = asker.stub.GetModel(pb.GetModelRequest(model="named", version_label=label))
    opening = pb.StreamRequest(open=pb.Open(model="named", version_label=label))
    (opened, *_), _code = asker.converse(opening, chunk(0, ones(3)), CLOSE)
    (inferred,) = infer(asker, request(model="named", version=label))
    answered = [predicted.version, compared.models[0].version, reported.status.version, opened.opened.version]
    return [*answered, int(inferred.model_version)]


def test_labels_name_versions_everywhere_and_outlive_the_server(shop: Shop, tmp_path: Path) -> None:
    shop.begin("named")
    assert shop.admin.spread("named", labels={"stable": 1}).labels == {"stable": 1}
    shop.publish("named", 2)
    assert shop.admin.spread("named", labels={"canary": 2}).labels == {"canary": 2, "stable": 1}
    assert shop.answers("named") == 1
    assert _label(shop, "stable") == [1] * 5
    assert _label(shop, "canary") == [2] * 5
    with running_server(shop.server.repository, tmp_path) as other, asking(other.grpc) as asker:
        (response,) = infer(asker, request(model="named", version="canary"))
        assert response.model_version == "2"
    assert shop.admin.spread("named", labels={"canary": 0}).labels == {"stable": 1}
    for ask in (lambda: _label(shop, "canary"), lambda: infer(shop.asker, request(model="named", version="canary"))):
        with pytest.raises(SoloistError) as caught:
            ask()
        assert (caught.value.reason, caught.value.facts["version"]) == ("MODEL_VERSION_NOT_FOUND", "canary")


def test_servers_of_one_repository_agree_on_labels(shop: Shop, tmp_path: Path) -> None:
    shop.begin("shared")
    shop.publish("shared", 2)
    with running_server(shop.server.repository, tmp_path) as other, Admin(other.grpc) as admin:
        admin.spread("shared", labels={"stable": 1})
    assert eventually(lambda: shop.answers("shared") == 1)


def test_labels_that_cannot_be_written_are_refused(shop: Shop) -> None:
    shop.begin("closed")
    (shop.server.repository / "closed" / "labels.json").mkdir()
    with pytest.raises(SoloistError) as caught:
        shop.admin.spread("closed", labels={"stable": 1})
    assert caught.value.reason == "LABELS_NOT_WRITTEN"
    assert str(shop.server.repository) not in caught.value.message


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"labels": {"Stable": 1}}, "label"),
        ({"labels": {"1": 1}}, "label"),
        ({"labels": {"stable": -1}}, "version"),
        ({"canary_percent": 100.1}, "canary_percent"),
        ({"canary_percent": float("nan")}, "canary_percent"),
        ({"shadow_version": -1}, "shadow_version"),
    ],
)
def test_an_impossible_rollout_is_refused(shop: Shop, change: dict[str, object], parameter: str) -> None:
    with pytest.raises(SoloistError) as caught:
        shop.admin.spread("always", **change)  # type: ignore[arg-type]  # that is the point
    assert (caught.value.reason, caught.value.facts["parameter"]) == ("PARAMETER_INVALID", parameter)


def test_a_share_of_new_sequences_goes_to_the_canary(shop: Shop) -> None:
    shop.begin("spread")
    shop.admin.spread("spread", labels={"stable": 1})
    shop.publish("spread", 2)
    assert shop.admin.spread("spread", labels={"canary": 2}, canary_percent=30).canary_percent == 30
    ids = range(1, 61)
    begun = converse(shop.asker, *(step(each, start=True, model="spread") for each in ids))
    ended = converse(shop.asker, *(step(each, end=True, model="spread") for each in ids))
    expected = ["2" if place_of("spread", repr(each)) < 0.3 else "1" for each in ids]
    assert {"1", "2"} == set(expected)
    assert sorted(each.infer_response.model_version for each in begun) == sorted(expected)
    assert sorted(each.infer_response.model_version for each in ended) == sorted(expected)
    shop.admin.spread("spread", canary_percent=100)
    with shop.client.stream("spread") as stream:
        assert stream.send(CHUNKS[0]).version == 2
        shop.admin.spread("spread", canary_percent=0)
        assert stream.send(CHUNKS[1]).version == 2
    assert shop.answers("spread") == 1


@pytest.mark.parametrize(
    ("gain", "features", "outcome"),
    [(1.0, 2, "equal-bits"), (2.0, 2, "same-class"), (-1.0, 2, "different-class"), (1.0, 3, "failed")],
)
def test_a_shadows_disagreements_are_counted_per_step(shop: Shop, gain: float, features: int, outcome: str) -> None:
    name = f"shadowed-{outcome}"
    shop.begin(name)
    shop.admin.spread(name, labels={"stable": 1})
    shop.publish(name, 2, gain=gain, features=features)
    with shop.client.stream(name) as early:
        early.send(CHUNKS[0])
        assert shop.admin.spread(name, shadow_version=2).shadow_version == 2
        early.send(CHUNKS[1])  # the shadow hasn't seen how it began
    expected = np.cumsum(CHUNKS.reshape(-1, 2), axis=0)[2::3]
    with shop.client.stream(name) as stream:
        given = [stream.send(each) for each in CHUNKS]
        stream.send(CHUNKS[-1], first_frame=15)  # sent again: no step
    np.testing.assert_allclose([each.outputs for each in given], expected, rtol=1e-5, atol=1e-5)
    assert {each.version for each in given} == {1}
    assert shop.client.predict(name, CHUNKS[0]).version == 1
    infer(shop.asker, request(CHUNKS[:2], model=name))  # two rows, two steps
    places: tuple[dict[str, bool], ...] = ({"start": True}, {}, {"end": True})
    infer(shop.asker, *(step("s", CHUNKS[n][None], model=name, **place) for n, place in enumerate(places)))
    steps = len(CHUNKS) + 1 + 2 + 3
    # What follows a failure in its sequence isn't run.
    wanted = {outcome: steps} if outcome != "failed" else {"failed": 1 + 1 + 2 + 1, "dropped": 5 + 2}
    assert eventually(lambda: sum(shop.shadow_steps(name).values()) >= steps)
    assert shop.shadow_steps(name) == wanted
    assert shop.admin.spread(name, shadow_version=0).shadow_version == 0
    shop.answers(name)
    assert shop.shadow_steps(name) == wanted


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


def test_a_client_may_name_a_label(shop: Shop) -> None:
    shop.begin("called")
    shop.publish("called", 2)
    shop.admin.spread("called", labels={"stable": 1, "canary": 2})
    assert shop.client.predict("called", CHUNKS[0], version="canary").version == 2
    assert shop.client.model("called", "canary").status.version == 2
    with shop.client.stream("called", version="canary") as stream:
        assert stream.send([[1, 2]]).version == 2
