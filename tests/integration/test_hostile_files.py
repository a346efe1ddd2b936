"""Files that nobody should load: each is refused and says why, and nothing is taken from the models that serve."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.core.errors import Reason
from soloist import Admin, Client, ModelState, SoloistError
from tests.graphs import Sums
from tests.hostile import HOSTILE, Hostile
from tests.servers import RunningServer, eventually, running_server

ONES = [[1.0, 2.0]]
# A load may take 8 s, and a trial half of that; what is refused at once takes milliseconds.
_LOAD_SECONDS, _LOAD_BYTES = 8, 2**30
_PATIENCE_SECONDS = 100.0
# What the server itself may grow by, with a hundred models of its own.
_MOST_GROWTH_BYTES = 200 * 2**20
# An answer meanwhile: far longer than any takes, and far shorter than what held the event loop up before.
_ANSWER_SECONDS = 5.0


@dataclass(kw_only=True)
class _Caller:
    """Calls the good model all the time, each call with a deadline."""

    target: str
    failures: list[str] = field(default_factory=list)
    answers: int = 0

    @contextmanager
    def calling(self) -> Iterator[None]:
        over = threading.Event()

        def call() -> None:
            with Client(self.target, timeout_seconds=_ANSWER_SECONDS) as client:
                while not over.wait(0.005):
                    try:
                        assert client.predict("good", ONES).version == 1
                        self.answers += 1
                    except (SoloistError, AssertionError) as error:
                        self.failures.append(repr(error))

        thread = threading.Thread(target=call)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@dataclass(frozen=True, kw_only=True)
class House:
    """A server whose repository got all hostile entries while it served a good one."""

    server: RunningServer
    client: Client
    admin: Admin
    caller: _Caller
    grown_bytes: float

    def listed(self) -> dict[str, tuple[ModelState, str]]:
        return _listed(self.client)


def _listed(client: Client) -> dict[str, tuple[ModelState, str]]:
    return {each.name: (each.state, each.reason) for each in client.models()}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("hostile")
    repository = folder / "repository"
    Sums(name="good").write(repository)
    with ExitStack() as stack:
        server = stack.enter_context(
            running_server(
                repository,
                folder,
                repository_poll_seconds=0.2,
                load_timeout_seconds=_LOAD_SECONDS,
                max_load_bytes=_LOAD_BYTES,
                load_trial=True,
            )
        )
        client, admin = stack.enter_context(Client(server.grpc)), stack.enter_context(Admin(server.grpc))
        caller = _Caller(target=server.grpc)
        before = server.total("process_resident_memory_bytes")
        with caller.calling():
            for each in HOSTILE:
                each.write(folder / each.name)
                (folder / each.name).rename(repository / each.name)
            names = {each.name for each in HOSTILE}
            assert _in_time(lambda: _decided(client) >= names), names - _decided(client)
        grown = server.total("process_resident_memory_bytes") - before
        yield House(server=server, client=client, admin=admin, caller=caller, grown_bytes=grown)


def _decided(client: Client) -> set[str]:
    done = (ModelState.READY, ModelState.UNAVAILABLE)
    return {name for name, (state, _) in _listed(client).items() if state in done}


def _in_time(reported: object) -> bool:
    assert callable(reported)
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while not reported():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.parametrize("entry", HOSTILE, ids=lambda each: each.name)
def test_it_is_refused_and_says_why(house: House, entry: Hostile) -> None:
    state, reason = house.listed()[entry.name]
    assert state is (ModelState.UNAVAILABLE if entry.says else ModelState.READY), reason
    assert entry.says in reason
    assert len(reason) < 600
    assert reason.isprintable()
    assert str(house.server.repository) not in reason


@pytest.mark.parametrize("entry", [each for each in HOSTILE if each.name != "endless"], ids=lambda each: each.name)
def test_a_request_to_load_it_says_the_same(house: House, entry: Hostile) -> None:
    if not entry.says:
        house.admin.load(entry.name)
        return
    with pytest.raises(SoloistError) as caught:
        house.admin.load(entry.name)
    assert caught.value.reason == Reason.MODEL_UNAVAILABLE.name
    assert caught.value.code.name == "FAILED_PRECONDITION"


def test_others_were_answered_meanwhile(house: House) -> None:
    assert house.caller.failures == []
    assert house.caller.answers > 0


def test_the_server_lives_and_has_not_grown(house: House) -> None:
    assert house.server.process.poll() is None
    assert house.server.get("/readyz") == (200, "ready\n")
    assert house.grown_bytes < _MOST_GROWTH_BYTES
    assert "Traceback" not in house.server.stderr.read_text()


def test_an_operator_may_allow_more(tmp_path: Path) -> None:
    Sums(name="good").write(tmp_path / "repository")
    with running_server(tmp_path / "repository", tmp_path, max_model_nodes=3) as server:
        status, text = server.get("/readyz")
    assert status == 503
    assert "max_model_nodes (3)" in text


@pytest.mark.parametrize("links", ["follow", "inside"])
def test_links_that_lead_out_are_followed_unless_the_operator_says_so(tmp_path: Path, links: str) -> None:
    repository, outside = tmp_path / "repository", tmp_path / "outside"
    repository.mkdir()
    _write_linked(repository, outside)
    with (
        running_server(repository, tmp_path, links=links) as server,
        Client(server.grpc) as client,
    ):
        found = _listed(client)
    inside = {"plain", "mounted", "inner"}
    assert {name for name, (state, _) in found.items() if state is ModelState.READY} == (
        inside if links == "inside" else found.keys()
    )
    for name in found.keys() - inside if links == "inside" else ():
        assert "leads out of the repository, and links is inside" in found[name][1]
        assert str(tmp_path) not in found[name][1]


def _write_linked(repository: Path, outside: Path) -> None:
    for name in ("plain", "by-model", "by-version", "by-file", "by-config", "mounted", "inner"):
        Sums(name=name).write(outside)
    Sums(name="plain").write(repository)
    (repository / "by-model").symlink_to(outside / "by-model")
    (repository / "by-version").mkdir()
    (repository / "by-version" / "1").symlink_to(outside / "by-version" / "1")
    (repository / "by-file" / "1").mkdir(parents=True)
    (repository / "by-file" / "1" / "model.onnx").symlink_to("../../../outside/by-file/1/model.onnx")
    (outside / "config.pbtxt").write_text("max_batch_size: 4")
    Sums(name="by-config").write(repository)
    (repository / "by-config" / "config.pbtxt").symlink_to(outside / "config.pbtxt")
    # As Kubernetes mounts a ConfigMap: what changes is one link, and all files are links over it.
    (repository / "mounted" / "1" / "..2026_11").mkdir(parents=True)
    mounted = repository / "mounted" / "1"
    (mounted / "..2026_11" / "model.onnx").write_bytes((outside / "mounted" / "1" / "model.onnx").read_bytes())
    (mounted / "..data").symlink_to("..2026_11")
    (mounted / "model.onnx").symlink_to("..data/model.onnx")
    # A version that is a link to another of the same repository.
    (repository / "inner").mkdir()
    (repository / "inner" / "1").symlink_to("../plain/1")


def test_a_link_that_comes_to_lead_out_is_noticed(tmp_path: Path) -> None:
    repository, outside = tmp_path / "repository", tmp_path / "outside"
    Sums(name="good").write(repository)
    Sums(name="good").write(outside)
    with (
        running_server(repository, tmp_path, links="inside", repository_poll_seconds=0.05) as server,
        Client(server.grpc) as client,
    ):
        (repository / "good" / "2").symlink_to(outside / "good" / "1")
        found: dict[int, str] = {}

        def noticed() -> bool:
            found.update({each.version: each.reason for each in client.models()})
            return "leads out" in found.get(2, "")

        assert eventually(noticed), found
        assert client.predict("good", ONES).version == 1
