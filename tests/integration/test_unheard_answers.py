"""An answer that there is no memory for was never given: nobody hears of it, and its stream can go on before it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.sealing.keys_file import new_key, write_keys
from soloist import NO_RETRY, Client, Resume, RetryPolicy, SoloistError, UnavailableError
from soloist.oip import grpc_service_pb2 as oip
from soloist.v1 import model_pb2
from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.integration.asking import CLOSE, asking, chunk, ones
from tests.integration.conversation import conversing
from tests.integration.infer_requests import converse, infer, request, stub_of
from tests.integration.rest_requests import post
from tests.servers import RunningServer, eventually, running_server

MIB = 2**20
# Eight bytes a frame of a request, and 256 of its answer.
FEATURES, CLASSES = 2, 64
FITS, TOO_LARGE = 3000, 5000
EVERY_FRAME = pb.OUTPUT_SELECTION_EVERY_FRAME
REFUSED = "MEMORY_FULL|messages in progress"


def serving(folder: Path, **settings: Any) -> Any:
    """Serve a model with a shadow, whose answers are logged and whose frames are compared with those of training."""
    sums = Sums(name="sums", features=FEATURES, classes=CLASSES)
    manifest = sums.manifest
    manifest.labels[:] = map(str, range(CLASSES))
    moments = model_pb2.Moments(mean=[1] * FEATURES, variance=[1] * FEATURES)
    manifest.input_reference.CopyFrom(model_pb2.InputReference(moments=moments, eps=1))
    for version in (1, 2):
        manifest.version = version
        sums.write(folder / "repository", version=version, manifest=manifest)
    (folder / "repository" / "sums" / "labels.json").write_text('{"labels": {"stable": 1}, "shadow": 2}')
    usual: dict[str, Any] = {
        "max_inflight_bytes_per_connection": MIB,
        "prediction_log": folder / "log.db",
        "prediction_log_flush_seconds": 0.02,
        "skew_probe_ratio": 1,
        "skew_core_ratio": 1,
        "shadow_core_ratio": 1,
    }
    return running_server(folder / "repository", folder, **(usual | settings))


def heard(server: RunningServer, folder: Path) -> dict[str, float]:
    """Return how many answers of the first version each observer has heard of."""
    version = {"model": "sums", "version": "1"}
    with asking(server.grpc) as asker:
        asked = oip.ModelStatisticsRequest(name="sums", version="1")
        counts = stub_of(asker).ModelStatistics(asked).model_stats[0].inference_stats
    with closing(sqlite3.connect(folder / "log.db")) as log:
        logged = log.execute("SELECT count(DISTINCT id) FROM predictions").fetchone()[0]
    return {
        "log": logged,
        "shadow": server.total("soloist_shadow_steps_total", **version),
        "skew": server.total("soloist_norm_probes_total", **version),
        "predictions": server.total("soloist_predictions_total", **version),
        "answered": counts.success.count,
        "failed": counts.fail.count,
    }


def predict(server: RunningServer, frames: int) -> None:
    with Client(server.grpc, retry=NO_RETRY) as client:
        client.predict("sums", np.ones((frames, FEATURES), np.float32), every_frame=True)


def stream(server: RunningServer, frames: int) -> None:
    opening = pb.StreamRequest(open=pb.Open(model="sums", output_selection=EVERY_FRAME))
    with asking(server.grpc) as asker:
        asker.converse(opening, chunk(0, ones(frames)), CLOSE)


def whole(frames: int) -> oip.ModelInferRequest:
    return request(np.ones((1, frames, FEATURES), np.float32))


def model_infer(server: RunningServer, frames: int) -> None:
    with asking(server.grpc) as asker:
        infer(asker, whole(frames))


def model_stream_infer(server: RunningServer, frames: int) -> None:
    with asking(server.grpc) as asker:
        (told,) = converse(asker, whole(frames))
        assert not told.error_message, told.error_message


def rest(server: RunningServer, frames: int) -> None:
    found = post(server.http, whole(frames), binary=True)
    assert found.status == 200, found.body


@pytest.mark.parametrize("ask", [predict, stream, model_infer, model_stream_infer, rest])
def test_nobody_hears_of_an_answer_that_there_is_no_memory_for(
    tmp_path: Path, transport: str, ask: Callable[[RunningServer, int], None]
) -> None:
    with serving(tmp_path, transport=transport) as server:
        ask(server, 1)
        with pytest.raises((SoloistError, AssertionError), match=REFUSED):
            ask(server, TOO_LARGE)
        ask(server, FITS)
        expected = {**dict.fromkeys(("log", "shadow", "skew", "predictions", "answered"), 2), "failed": 1}
        # They hear in turn: of the last answer after all others.
        assert eventually(lambda: all(heard(server, tmp_path)[name] >= 2 for name in ("log", "shadow", "skew")))
        assert heard(server, tmp_path) == expected
        assert server.total("soloist_sequence_frames_count", version="1") == 2
        assert server.total("soloist_first_output_seconds_count", version="1") == 2


def test_a_stream_goes_on_before_the_answer_that_there_was_no_memory_for(tmp_path: Path, transport: str) -> None:
    write_keys(tmp_path / "keys", [new_key(seals_from=0)])
    fields = {"output_selection": EVERY_FRAME, "resume_tokens": pb.RESUME_TOKENS_WITH_ANSWERS}
    with serving(tmp_path, transport=transport, keys_file=tmp_path / "keys") as server:
        with conversing(server.grpc, "sums", **fields) as conversation:
            token = conversation.send(0, np.ones((3, FEATURES))).resume_token
            with pytest.raises(SoloistError, match="messages in progress"):
                conversation.send(3, np.ones((TOO_LARGE, FEATURES)))
        with conversing(server.grpc, "sums", **fields, resume_token=token) as conversation:
            assert conversation.opened.first_frame == 3
            conversation.send(3, np.ones((FITS, FEATURES)))
            result = conversation.send(3 + FITS, np.ones((1, FEATURES)))
            assert np.frombuffer(result.outputs.data, "<f4")[0] == 3 + FITS + 1
            assert conversation.close() == 3 + FITS + 1
        assert eventually(lambda: heard(server, tmp_path)["log"] >= 3)
        found = heard(server, tmp_path)
        assert (found["log"], found["predictions"], found["answered"], found["failed"]) == (3, 3, 3, 1)


@pytest.mark.parametrize("refused", [TOO_LARGE, 50_000], ids=["answer", "chunk"])
def test_a_stream_with_a_token_at_its_end_goes_on_before_what_was_refused(
    tmp_path: Path, transport: str, refused: int
) -> None:
    write_keys(tmp_path / "keys", [new_key(seals_from=0)])
    once = RetryPolicy(attempts=2, initial_backoff_seconds=0.01)
    with serving(tmp_path, transport=transport, keys_file=tmp_path / "keys") as server, Client(server.grpc) as client:
        with client.stream("sums", every_frame=True, resume=Resume(every_frames=0, retry=once)) as stream:
            stream.send(np.ones((3, FEATURES), np.float32))
            with pytest.raises(UnavailableError, match="can be continued: MEMORY_FULL") as caught:
                stream.send(np.ones((refused, FEATURES), np.float32))
        assert caught.value.reason == "STREAM_ENDED"
        goes_on = Resume(every_frames=0, token=stream.resume_token)
        with client.stream("sums", every_frame=True, resume=goes_on) as stream:
            assert stream.frame_count == 3
            stream.send(np.ones((FITS, FEATURES), np.float32))
            assert stream.send(np.ones((1, FEATURES), np.float32)).outputs[0, 0] == 3 + FITS + 1
        assert eventually(lambda: heard(server, tmp_path)["log"] >= 3)
        found = heard(server, tmp_path)
        assert (found["log"], found["predictions"], found["answered"]) == (3, 3, 3)
