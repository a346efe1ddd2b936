"""An entry of the repository that can't be read or understood says so, and takes nothing away from the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.core.errors import Reason
from soloist import Admin, Client, ModelState, SoloistError
from soloist.oip import grpc_service_pb2 as oip
from tests.graphs import Sums
from tests.integration.asking import Asker, asking
from tests.integration.infer_requests import stub_of
from tests.integration.publishing import publish
from tests.servers import SERVE, RunningServer, eventually, running_server

# Root may read everything; without these two capabilities it is like anybody else.
AS_ANYBODY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", *SERVE) if os.geteuid() == 0 else SERVE
ONES = [[1.0, 2.0]]


def _locked(model: Path) -> None:
    model.mkdir()
    model.chmod(0)


def _locked_version(model: Path) -> None:
    (model / "1").mkdir(parents=True)
    (model / "1").chmod(0)


def _loop(model: Path) -> None:
    model.symlink_to(model.name)


def _astray(model: Path) -> None:
    model.symlink_to("nowhere")


def _pipe(model: Path) -> None:
    (model / "1").mkdir(parents=True)
    os.mkfifo(model / "1" / "model.onnx")


def _folder_for_a_file(model: Path) -> None:
    (model / "1" / "model.onnx").mkdir(parents=True)


def _looped_version(model: Path) -> None:
    model.mkdir()
    (model / "1").symlink_to("1")


def _no_file(model: Path) -> None:
    (model / "1").mkdir(parents=True)


def _too_large(model: Path) -> None:
    (model / str(2**63)).mkdir(parents=True)


def _good_with(file: str, content: bytes) -> Callable[[Path], None]:
    def write(model: Path) -> None:
        Sums(name=model.name).write(model.parent)
        (model / file).write_bytes(content)

    return write


def _labels_are_a_folder(model: Path) -> None:
    Sums(name=model.name).write(model.parent)
    (model / "labels.json").mkdir()


def _looped_labels(model: Path) -> None:
    Sums(name=model.name).write(model.parent)
    (model / "labels.json").symlink_to("labels.json")


def _labels_astray(model: Path) -> None:
    Sums(name=model.name).write(model.parent)
    (model / "labels.json").symlink_to("nowhere")


def _config_astray(model: Path) -> None:
    Sums(name=model.name).write(model.parent)
    (model / "config.pbtxt").symlink_to("nowhere")


# How it comes to be, and what is said of it.
BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "lost+found": (_locked, "Permission denied"),
    "locked-version": (_locked_version, "Permission denied"),
    "loop": (_loop, "symbolic links"),
    "astray": (_astray, "No such file"),
    "pipe": (_pipe, "no regular file"),
    "folder-for-a-file": (_folder_for_a_file, "no regular file"),
    "looped-version": (_looped_version, "symbolic links"),
    "no-file": (_no_file, "No such file"),
    "too-large": (_too_large, "larger than"),
    "cut-labels": (_good_with("labels.json", b'{"labels": {"stable"'), "labels.json"),
    "deep-labels": (_good_with("labels.json", b"[" * 100_000), "labels.json"),
    "misspelt-labels": (_good_with("labels.json", b'{"label": {"stable": 1}}'), "'label'"),
    "no-text-labels": (_good_with("labels.json", b"\xff\xfe"), "labels.json"),
    "folder-of-labels": (_labels_are_a_folder, "labels.json: Is a directory"),
    "looped-labels": (_looped_labels, "labels.json"),
    "labels-astray": (_labels_astray, "labels.json"),
    "config-astray": (_config_astray, "config.pbtxt: No such file"),
    "filename-elsewhere": (
        _good_with("config.pbtxt", b'default_model_filename: "../1/model.onnx"'),
        "'../1/model.onnx'",
    ),
    "cut-config": (_good_with("config.pbtxt", b"version_policy {"), "config.pbtxt"),
    "no-text-config": (_good_with("config.pbtxt", b"\xff\xfe"), "config.pbtxt"),
}
NOT_UTF8 = os.fsdecode(b"caf\xe9")


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A server that isn't root, over a repository of bad entries and good ones."""

    server: RunningServer
    client: Client
    admin: Admin
    asker: Asker

    def listed(self) -> dict[str, tuple[ModelState, str]]:
        return {each.name: (each.state, each.reason) for each in self.client.models()}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("bad")
    repository = folder / "repository"
    Sums(name="good").write(repository)
    (repository / "README.md").write_text("no model")
    (repository / "empty").mkdir()
    (repository / NOT_UTF8 / "1").mkdir(parents=True)
    for name, (make, _) in BAD.items():
        make(repository / name)
    with ExitStack() as stack:
        server = stack.enter_context(
            running_server(repository, folder, program=AS_ANYBODY, repository_poll_seconds=0.05)
        )
        yield Shop(
            server=server,
            client=stack.enter_context(Client(server.grpc)),
            admin=stack.enter_context(Admin(server.grpc)),
            asker=stack.enter_context(asking(server.grpc)),
        )
    for name in ("lost+found", "locked-version/1"):
        (repository / name).chmod(0o700)  # or nobody could delete it


def test_the_good_ones_are_served(shop: Shop) -> None:
    assert shop.client.predict("good", ONES).version == 1
    assert shop.server.get("/readyz") == (200, "ready\n")
    assert {name for name, (state, _) in shop.listed().items() if state is ModelState.READY} == {"good"}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_one_says_what_is_wrong_everywhere(shop: Shop, name: str) -> None:
    state, reason = shop.listed()[name]
    assert state is ModelState.UNAVAILABLE
    assert BAD[name][1] in reason
    index = stub_of(shop.asker).RepositoryIndex(oip.RepositoryIndexRequest()).models
    assert [(each.state, each.reason) for each in index if each.name == name] == [("UNAVAILABLE", reason)]
    assert str(shop.server.repository) not in reason
    assert not shop.client.ready(name)
    assert not stub_of(shop.asker).ModelReady(oip.ModelReadyRequest(name=name)).ready
    with pytest.raises(SoloistError) as caught:
        shop.client.predict(name, ONES)
    assert caught.value.reason == Reason.MODEL_UNAVAILABLE.name
    with pytest.raises(SoloistError) as caught:
        shop.admin.load(name)
    assert caught.value.reason == Reason.MODEL_UNAVAILABLE.name
    assert BAD[name][1] in str(caught.value)
    assert any(name in line and BAD[name][1] in line for line in shop.server.stderr.read_text().splitlines())


def test_a_name_that_no_message_can_carry_is_shown_as_well_as_can_be(shop: Shop) -> None:
    state, reason = shop.listed()["caf\ufffd"]
    assert state is ModelState.UNAVAILABLE
    assert "UTF-8" in reason


def test_what_is_no_model_is_not_listed(shop: Shop) -> None:
    assert not shop.listed().keys() & {"README.md", "empty"}


def test_nothing_is_said_twice(shop: Shop) -> None:
    publish(shop.server.repository, Sums(name="later"), 1)
    assert eventually(lambda: shop.listed().get("later", (None,))[0] is ModelState.READY)  # it has looked several times
    lines = [line for line in shop.server.stderr.read_text().splitlines() if "cut-labels" in line]
    assert sum("model unavailable" in line for line in lines) == 1


def test_a_bad_entry_may_come_and_go_while_it_serves(shop: Shop) -> None:
    loop = shop.server.repository / "later-loop"
    loop.symlink_to("later-loop")
    assert eventually(lambda: "later-loop" in shop.listed())
    loop.unlink()
    assert eventually(lambda: "later-loop" not in shop.listed())
    assert shop.client.predict("good", ONES).version == 1


def test_labels_that_break_are_told_and_change_nothing(shop: Shop) -> None:
    for version, gain in ((1, 1.0), (2, 2.0)):
        publish(shop.server.repository, Sums(name="broken-later", gain=gain), version)
    assert eventually(lambda: shop.listed().get("broken-later", (None,))[0] is not None)
    shop.admin.load("broken-later", 1)
    labels = shop.server.repository / "broken-later" / "labels.json"
    labels.write_text('{"labels": {"stable": 1}}')
    assert eventually(lambda: shop.client.predict("broken-later", ONES).version == 1)
    labels.write_text('{"labels": {"stable": ')

    def reason(version: int) -> str:
        return next(m.reason for m in shop.client.models() if (m.name, m.version) == ("broken-later", version))

    assert eventually(lambda: "labels.json" in reason(1))
    assert shop.client.predict("broken-later", ONES).version == 1
    with pytest.raises(SoloistError, match=r"labels\.json"):
        shop.admin.load("broken-later")
    with pytest.raises(SoloistError) as caught:
        shop.admin.spread("broken-later", labels={"stable": 2})
    assert caught.value.reason == Reason.LABELS_NOT_WRITTEN.name
    assert labels.read_text() == '{"labels": {"stable": '
    labels.write_text('{"labels": {"stable": 2}}')
    assert eventually(lambda: shop.client.predict("broken-later", ONES).version == 2)
    assert reason(2) == ""


def test_a_server_whose_only_model_is_bad_says_why_it_is_not_ready(tmp_path: Path) -> None:
    _good_with("labels.json", b"{")(tmp_path / "repository" / "sums")
    with running_server(tmp_path / "repository", tmp_path) as server:
        status, text = server.get("/readyz")
    assert status == 503
    assert text.startswith("no model can be called: sums version 1: labels.json")


def test_a_model_whose_stable_version_is_not_there_is_not_ready(tmp_path: Path) -> None:
    _good_with("labels.json", b'{"labels": {"stable": 9}}')(tmp_path / "repository" / "sums")
    with (
        running_server(tmp_path / "repository", tmp_path, repository_poll_seconds=0.05) as server,
        Client(server.grpc) as client,
    ):
        assert not client.ready("sums")
        assert server.get("/readyz")[0] == 503
        assert "sums version 1 is ready, and another version is labelled stable" in server.get("/readyz")[1]
        assert client.predict("sums", ONES, version=1).version == 1
        (tmp_path / "repository" / "sums" / "labels.json").write_text('{"labels": {"stable": 1}}')
        assert eventually(lambda: client.ready("sums"))
        assert server.get("/readyz") == (200, "ready\n")
        assert client.predict("sums", ONES).version == 1
