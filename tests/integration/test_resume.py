"""Sequences that outlive their server: another with the key goes on, bit for bit, and every chunk counts once."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.sealing.keys_file import new_key, write_keys
from soloist import SoloistError
from soloist.v1 import sequence_inference_pb2 as pb
from tests.conftest import SMALL_MODELS
from tests.graphs import Sums
from tests.integration.conversation import conversing, same
from tests.servers import RunningServer, eventually, running_server

WITH_ANSWERS: dict[str, Any] = {"resume_tokens": pb.RESUME_TOKENS_WITH_ANSWERS}
AT_END: dict[str, Any] = {"resume_tokens": pb.RESUME_TOKENS_AT_END}
# Odd numbers of frames, so that states are at odd ones.
CUTS = (0, 3, 4, 9, 16, 19)
EVERY_FRAME = pb.OUTPUT_SELECTION_EVERY_FRAME


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys"
    write_keys(path, [new_key(seals_from=0)])
    return path


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sums")
    Sums(name="sums").write(folder)
    return folder


Serve = Callable[..., RunningServer]


@pytest.fixture(scope="module")
def survivor(
    repository: Path, keys: Path, transport: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """Stay while others are killed and drained."""
    folder = tmp_path_factory.mktemp("survivor")
    shutil.copytree(repository, folder / "repository")
    Sums(name="sums").write(folder / "repository")
    with running_server(folder / "repository", folder, transport=transport, keys_file=keys) as server:
        yield server


@pytest.fixture
def serve(keys: Path, tmp_path: Path, transport: str) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(repository: Path, **settings: Any) -> RunningServer:
            settings = {"transport": transport, "keys_file": keys, **settings}
            return stack.enter_context(running_server(repository, tmp_path, **settings))

        yield start


@cache
def frames_of(length: int, features: int = 12) -> Any:
    return np.random.default_rng(length).normal(size=(length, features)).astype(np.float32)


def test_another_server_continues_after_a_kill_bit_for_bit(survivor: RunningServer, serve: Serve) -> None:
    first, second = serve(survivor.repository), survivor
    frames, chunks = frames_of(CUTS[-1]), list(itertools.pairwise(CUTS))
    undisturbed, before = {}, {}
    for model in SMALL_MODELS:
        with conversing(second.grpc, model, output_selection=EVERY_FRAME, **WITH_ANSWERS) as stream:
            undisturbed[model] = [stream.send(at, frames[at:end]) for at, end in chunks]
            assert stream.close() == len(frames)
    with ExitStack() as stack:
        for model in SMALL_MODELS:
            opening = conversing(first.grpc, model, output_selection=EVERY_FRAME, **WITH_ANSWERS)
            stream = stack.enter_context(opening)
            before[model] = [stream.send(at, frames[at:end]) for at, end in chunks[:3]]
            session = stream.opened.session_id
        first.process.kill()
        first.process.wait()
    for model in SMALL_MODELS:
        given, expected = before[model], undisturbed[model]
        token = given[2].resume_token
        with conversing(second.grpc, model, output_selection=EVERY_FRAME, resume_token=token) as stream:
            assert stream.opened.first_frame == CUTS[3]
            assert not stream.opened.resume_token
            repeated = stream.send(CUTS[2], frames[CUTS[2] : CUTS[3]])
            assert same(repeated, given[2], rerun=False)
            found = [*given, *(stream.send(at, frames[at:end]) for at, end in chunks[3:])]
            assert stream.close() == len(frames)
        assert [each.outputs for each in found] == [each.outputs for each in expected]
        assert [each.classification for each in found] == [each.classification for each in expected]
        assert len({each.prediction_id for each in found}) == len(chunks)
    assert stream.opened.session_id == session
    assert _resumes(second, "continued") == len(SMALL_MODELS)


def test_a_chunk_whose_answer_was_lost_gets_the_same_bytes_elsewhere(survivor: RunningServer) -> None:
    frames = frames_of(9, 2)
    with conversing(survivor.grpc, "sums", **WITH_ANSWERS) as stream:
        begin = stream.opened.resume_token
        lost = [stream.send(0, frames[:3]), stream.send(3, frames[3:5]), stream.send(5, frames[5:])]
    for place, token in enumerate([begin, lost[0].resume_token, lost[1].resume_token]):
        with conversing(survivor.grpc, "sums", resume_token=token, **WITH_ANSWERS) as stream:
            at = lost[place].first_frame
            assert stream.opened.first_frame == at
            again = stream.send(at, frames[at : at + lost[place].frame_count])
            assert same(again, lost[place])


def test_answers_between_two_tokens_have_the_same_ids_wherever_they_are_given(survivor: RunningServer) -> None:
    frames = frames_of(12, 2)
    with conversing(survivor.grpc, "sums", resume_token_frames=6, **WITH_ANSWERS) as stream:
        given = [stream.send(at, frames[at : at + 2]) for at in range(0, 12, 2)]
    assert [bool(each.resume_token) for each in given] == [False, False, True] * 2
    with conversing(survivor.grpc, "sums", resume_token=given[2].resume_token) as stream:
        assert stream.opened.first_frame == 6
        again = [stream.send(at, frames[at : at + 2]) for at in (6, 8, 10)]
    assert all(same(one, other) for one, other in zip(again, given[3:], strict=True))


def test_a_drain_gives_every_stream_its_token(survivor: RunningServer, sums: Path, serve: Serve) -> None:
    first, second = serve(sums, max_stream_age_seconds=100), survivor
    frames = frames_of(4, 2)
    with (
        conversing(first.grpc, "sums", **AT_END) as asked,
        conversing(first.grpc, "sums") as plain,
        conversing(first.grpc, "sums", **AT_END) as empty,
    ):
        assert not asked.send(0, frames[:3]).resume_token
        plain.send(0, frames[:3])
        first.ask_to_stop()
        ended, nothing = asked.next().ended, empty.next().ended
        for stream in (asked, empty):
            with pytest.raises(SoloistError) as caught:
                stream.next()
            assert caught.value.reason == "SERVER_DRAINING"
        assert (ended.frame_count, nothing.frame_count) == (3, 0)
        last = plain.send(3, frames[3:])  # whoever asked for nothing goes on as before
        assert plain.close() == 4
    assert first.exit_code() == 0
    with conversing(second.grpc, "sums", resume_token=ended.resume_token, **AT_END) as stream:
        assert stream.send(3, frames[3:]).outputs == last.outputs
    with conversing(second.grpc, "sums", resume_token=nothing.resume_token) as stream:
        assert stream.send(0, frames).outputs == last.outputs


def test_an_old_stream_ends_with_its_token(sums: Path, serve: Serve) -> None:
    server = serve(sums, max_stream_age_seconds=0.5)
    with conversing(server.grpc, "sums", **AT_END) as stream, conversing(server.grpc, "sums") as plain:
        stream.send(0, frames_of(3, 2))
        token = stream.next().ended.resume_token
        with pytest.raises(SoloistError) as caught:
            stream.next()
        assert caught.value.reason == "STREAM_TOO_OLD"
        assert plain.close() == 0
    with conversing(server.grpc, "sums", resume_token=token) as stream:
        assert stream.opened.first_frame == 3
    assert server.total("soloist_sessions_ended_total", reason="too-old") == 1


def test_tokens_that_are_not_ours_are_refused_and_counted(survivor: RunningServer) -> None:
    before = {outcome: _resumes(survivor, outcome) for outcome in ("invalid", "foreign")}
    token = _token(survivor)
    changed = bytearray(token)
    changed[len(token) // 2] ^= 1
    for wrong in (bytes(changed), b"x", token[:-1], bytes(3_000_000)):
        assert _refusal(survivor, "sums", wrong) == "RESUME_TOKEN_INVALID"
    assert _refusal(survivor, "sums", token, version=2) == "RESUME_TOKEN_FOREIGN"
    assert _refusal(survivor, "vowels-lstm-layer", token) == "RESUME_TOKEN_FOREIGN"
    assert _resumes(survivor, "invalid") == before["invalid"] + 4
    assert _resumes(survivor, "foreign") == before["foreign"] + 2
    assert eventually(lambda: survivor.total("soloist_sessions_open") == 0)


def _resumes(server: RunningServer, outcome: str) -> float:
    return server.total("soloist_resumes_total", outcome=outcome)


def _token(server: RunningServer) -> bytes:
    with conversing(server.grpc, "sums", **WITH_ANSWERS) as stream:
        return stream.send(0, frames_of(3, 2)).resume_token


def _refusal(server: RunningServer, model: str, token: bytes, **fields: Any) -> str:
    with pytest.raises(SoloistError) as caught, conversing(server.grpc, model, resume_token=token, **fields):
        pass
    return caught.value.reason


def test_without_keys_there_are_no_tokens(strict: RunningServer) -> None:
    for fields in (AT_END, {"resume_token": b"x"}):
        with pytest.raises(SoloistError) as caught, conversing(strict.grpc, "sums", **fields):
            pass
        assert caught.value.reason == "RESUME_UNSUPPORTED"


def test_a_new_key_is_read_while_the_server_runs(sums: Path, serve: Serve, tmp_path: Path) -> None:
    path, old, new = tmp_path / "rotating", new_key(seals_from=0), new_key(seals_from=1)
    write_keys(path, [old])
    server = serve(sums, keys_file=path)
    before = _token(server)
    write_keys(path, [old, new])
    assert eventually(lambda: server.total("soloist_key_reloads_total", outcome="read") == 1)
    after = _token(server)
    assert new.id in after
    for token in (before, after):
        with conversing(server.grpc, "sums", resume_token=token) as stream:
            assert stream.opened.first_frame == 3
    write_keys(path, [new])
    assert eventually(lambda: server.total("soloist_key_reloads_total", outcome="read") == 2)
    assert _refusal(server, "sums", before) == "RESUME_KEY_UNKNOWN"


def test_keys_that_cannot_be_used_stop_the_server_from_starting(sums: Path, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("nothing")
    (tmp_path / "keys").chmod(0o600)
    with pytest.raises(AssertionError, match="is no key"), running_server(sums, tmp_path, keys_file=tmp_path / "keys"):
        pass
