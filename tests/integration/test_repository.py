"""A repository with broken models: the server starts, says of each why it can't be called, and serves the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from soloist import Client, ModelState
from tests.graphs import Sums
from tests.integration.asking import Asker, ones
from tests.integration.strict import BROKEN, ON_BOTH
from tests.servers import RunningServer, running_server

GOOD = ("hoarder", "letters", "short", "sums", "whole")
WHY = {
    "garbled": "can't be parsed",
    "lying": "'answers'",
    "untyped": "no element type",
}


@ON_BOTH
def test_every_version_is_listed_with_its_state(strict: RunningServer) -> None:
    with Client(strict.grpc) as client:
        models = client.models()
    assert [model.name for model in models] == sorted((*BROKEN, *GOOD))
    assert {model.name for model in models if model.ready} == set(GOOD)
    for model in models:
        assert model.ready or model.state is ModelState.UNAVAILABLE
        assert bool(model.reason) != model.ready


@ON_BOTH
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model_says_why_and_not_where(strict: RunningServer, name: str) -> None:
    with Client(strict.grpc) as client:
        reported = client.model(name)
    assert reported.manifest is None
    assert reported.status.state is ModelState.UNAVAILABLE
    assert reported.status.reason
    assert WHY.get(name, "") in reported.status.reason
    assert str(strict.repository.parent) not in reported.status.reason


@ON_BOTH
def test_a_model_that_sees_later_frames_answers_whole_sequences(asker: Asker) -> None:
    assert asker.predict(ones(3), model="whole").frame_count == 3


def test_a_broken_newest_version_leaves_the_older_one_in_service(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    Sums(name="sums").write(tmp_path / "repository", version=3)
    broken = Sums(name="sums").write(tmp_path / "repository", version=10)
    broken.write_bytes(b"")
    with (
        running_server(tmp_path / "repository", tmp_path, version_policy="all") as server,
        Client(server.grpc) as client,
    ):
        assert client.predict("sums", [[1.0, 2.0]]).version == 3
        assert client.predict("sums", [[1.0, 2.0]], version=1).version == 1
        assert [(model.version, model.ready) for model in client.models()] == [(1, True), (3, True), (10, False)]
        assert client.ready("sums")


def test_a_server_without_a_model_that_can_be_called_is_alive_and_not_ready(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository").write_bytes(b"")
    with running_server(tmp_path / "repository", tmp_path) as server, Client(server.grpc) as client:
        assert server.get("/healthz") == (200, "alive\n")
        status, text = server.get("/readyz")
        assert (status, text.partition(": ")[0]) == (503, "no model can be called")
        assert "sums version 1: " in text
        assert not client.ready()
        assert [model.ready for model in client.models()] == [False]
