"""Resume tokens of streams that make room for others, and of clients that have shown who they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.sealing.keys_file import new_key, write_keys
from soloist import Client, Resume, SoloistError
from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.integration.conversation import conversing
from tests.integration.tokens import over_http, token_of, write_tokens
from tests.servers import running_server

FRAME = [[1.0, 1.0]]


@pytest.fixture
def settings(tmp_path: Path, transport: str) -> dict[str, Any]:
    Sums(name="sums").write(tmp_path / "repository")
    write_keys(tmp_path / "keys", [new_key(seals_from=0)])
    return {"transport": transport, "keys_file": tmp_path / "keys"}


def test_a_stream_that_makes_room_for_another_gets_its_token(settings: dict[str, Any], tmp_path: Path) -> None:
    bounds: dict[str, Any] = {"max_sessions": 1, "evict_after_idle_seconds": 0.0}
    with running_server(tmp_path / "repository", tmp_path, **bounds, **settings) as server:
        with conversing(server.grpc, "sums", resume_tokens=pb.RESUME_TOKENS_AT_END) as waiting:
            answer = waiting.send(0, FRAME)
            with Client(server.grpc) as client, client.stream("sums") as newcomer:
                newcomer.send(FRAME)
                ended = waiting.next().ended
                with pytest.raises(SoloistError) as caught:
                    waiting.next()
        assert (caught.value.code.name, caught.value.reason) == ("UNAVAILABLE", "SESSION_EVICTED")
        assert ended.frame_count == 1
        with conversing(server.grpc, "sums", resume_token=ended.resume_token) as stream:
            assert stream.opened.first_frame == 1
            assert stream.send(0, FRAME) == answer
            assert stream.close() == 1
        assert server.total("soloist_sessions_ended_total", reason="evicted") == 1


def test_clients_go_on_when_they_have_made_room(settings: dict[str, Any], tmp_path: Path) -> None:
    bounds: dict[str, Any] = {"max_sessions": 1, "evict_after_idle_seconds": 0.0}
    with (
        running_server(tmp_path / "repository", tmp_path, **bounds, **settings) as server,
        Client(server.grpc) as client,
        client.stream("sums", resume=Resume(every_frames=0)) as stream,
    ):
        assert stream.send(FRAME).outputs.tolist() == [1.0, 1.0]
        with client.stream("sums") as newcomer:
            newcomer.send(FRAME)
        assert stream.send(FRAME).outputs.tolist() == [2.0, 2.0]


def test_a_token_continues_for_the_client_that_got_it_and_for_no_other(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    clients = {"ada": ("infer",), "bob": ("infer",), "eve": ("monitor",)}
    tokens = write_tokens(tmp_path / "tokens", clients)
    with (
        running_server(tmp_path / "repository", tmp_path, tokens_file=tokens, **settings) as server,
        Client(server.grpc, token=token_of("ada")) as ada,
        Client(server.grpc, token=token_of("bob")) as bob,
    ):
        with ada.stream("sums", resume=True) as stream:
            stream.send(FRAME)
            kept = Resume(token=stream.resume_token)
        with pytest.raises(SoloistError) as caught, bob.stream("sums", resume=kept):
            pass
        assert (caught.value.code.name, caught.value.reason) == ("PERMISSION_DENIED", "RESUME_CLIENT_DIFFERS")
        with ada.stream("sums", resume=kept) as again:
            assert again.send(FRAME).outputs.tolist() == [2.0, 2.0]
        status, _, page = over_http(server, "GET", "/metrics", authorization=f"Bearer {token_of('eve')}")
    assert status == 200
    assert 'soloist_resumes_total{outcome="client-differs"} 1.0' in page
