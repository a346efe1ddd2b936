"""Compressed messages: grpc.aio refuses them, httpunk unpacks them within the bounds. 1 MiB may stand for a GiB."""

from __future__ import annotations

import re
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from bench.gates.http2 import http2_connection
from soloist.v1 import sequence_inference_pb2 as pb
from tests.integration.asking import CLOSE, Asker, chunk, ones, opening, tensor
from tests.integration.infer_requests import ONES, request, stub_of
from tests.integration.strict import ON_BOTH
from tests.servers import RunningServer

MIB = 2**20
PATHS = (
    "/soloist.v1.SequenceInference/Predict",
    "/soloist.v1.SequenceInference/Stream",
    "/inference.GRPCInferenceService/ModelStreamInfer",
    "/soloist.v1.Feedback/ReportStream",
    "/grpc.health.v1.Health/Check",
)


def peak_bytes(server: RunningServer) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


@cache
def bomb(format_bits: int) -> bytes:
    """A GiB of zeros."""
    packing = zlib.compressobj(9, zlib.DEFLATED, format_bits)
    return b"".join([packing.compress(bytes(MIB)) for _ in range(1024)] + [packing.flush()])


@pytest.mark.parametrize("how", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_client_that_compresses_is_told_that_it_cannot(strict: RunningServer, asker: Asker, how: Any) -> None:
    frames = ones(100)
    with pytest.raises(grpc.RpcError) as caught:
        asker.stub.Predict(pb.PredictRequest(model="sums", frames=frames), compression=how)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "is disabled" in (caught.value.details() or "")
    with pytest.raises(grpc.RpcError) as caught:
        list(asker.stub.Stream(iter([opening()]), compression=how))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    with pytest.raises(grpc.RpcError) as caught:
        stub_of(asker).ModelInfer(request(ONES), compression=how)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert asker.stub.Predict(pb.PredictRequest(model="sums", frames=frames)).frame_count == 100
    assert "is disabled" not in strict.stderr.read_text()


@pytest.mark.parametrize("strict", ["httpunk"], indirect=True)
@pytest.mark.parametrize("how", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_client_that_compresses_gets_the_same_bits(asker: Asker, how: Any) -> None:
    frames = np.random.default_rng(5).normal(size=(100, 2)).astype(np.float32)
    asked = pb.PredictRequest(model="sums", frames=tensor(frames))
    plain = asker.stub.Predict(asked).outputs.data
    assert asker.stub.Predict(asked, compression=how).outputs.data == plain
    streamed = asker.stub.Stream(iter([opening(), chunk(0, tensor(frames)), CLOSE]), compression=how)
    assert [answer.result.outputs.data for answer in streamed if answer.HasField("result")] == [plain]


@ON_BOTH
@pytest.mark.parametrize("path", PATHS)
def test_what_would_unpack_to_a_gib_takes_no_memory(strict: RunningServer, asker: Asker, path: str) -> None:
    before = peak_bytes(strict)
    for encoding, bits in {"gzip": 31, "deflate": 15}.items():
        with http2_connection(strict.grpc) as connection:
            connection.open_call(path, grpc_encoding=encoding)
            connection.send_message(bomb(bits), flag=1)
            connection.await_end()
    assert peak_bytes(strict) - before < 64 * MIB
    assert asker.predict(ones(3)).frame_count == 3


@ON_BOTH
@pytest.mark.parametrize("encoding", ["zip", "", "gzip,gzip", "identity"])
def test_words_that_stand_for_no_compression_end_the_call(strict: RunningServer, asker: Asker, encoding: str) -> None:
    with http2_connection(strict.grpc) as connection:
        connection.open_call(PATHS[0], grpc_encoding=encoding)
        connection.send_message(b"\0" * 100, flag=1)
        connection.await_end()
    assert asker.predict(ones(3)).frame_count == 3
