"""The pipeline of one sequence for ordinary code: a thread sends chunks as they come, the caller takes the answers."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable

from soloist.client.catalogue import Catalogue
from soloist.client.errors import SoloistError
from soloist.client.exchange import InferRequest
from soloist.client.frames import Frames
from soloist.client.predictions import CLOSE, ChunkResult, Inputs, chunk_request, chunk_result
from soloist.v1 import sequence_inference_pb2 as pb


class BlockingPipeline:
    """The sender of a stream's chunks as they come; it closes after the last. `inputs` go with every chunk."""

    def __init__(
        self,
        exchange: InferRequest,
        opened: pb.Opened,
        catalogue: Catalogue,
        *,
        ahead: int,
        inputs: Inputs | None = None,
    ) -> None:
        self._exchange = exchange
        self._opened = opened
        self._catalogue = catalogue
        self._inputs = inputs
        self._free = threading.Semaphore(ahead)
        self._source_error: BaseException | None = None
        self._is_over = False

    def results(self, chunks: Iterable[Frames]) -> Generator[ChunkResult]:
        """Yield the answers in order. What `chunks` raises is raised after the answers in flight."""
        threading.Thread(target=self._feed, args=[chunks], name="soloist-chunks", daemon=True).start()
        try:
            while (response := self._receive()).WhichOneof("message") == "result":
                self._free.release()
                yield chunk_result(response.result, self._opened)
            self._exchange.finish()
        finally:
            self._is_over = True
            self._free.release()  # the thread may wait for an answer
            self._exchange.cancel()  # without effect when it is finished

    def _receive(self) -> pb.StreamResponse:
        try:
            return self._exchange.receive()
        except SoloistError:
            if self._source_error is not None:
                raise self._source_error from None
            raise

    def _feed(self, chunks: Iterable[Frames]) -> None:
        frame_count = 0
        try:
            for frames in chunks:
                self._free.acquire()
                if self._is_over:
                    return
                array = self._catalogue.convert(frames, self._opened.model, self._opened.version)
                self._exchange.send(chunk_request(frame_count, array, self._inputs))
                frame_count += array.shape[0] if array.ndim else 0
            self._exchange.send(CLOSE)
        except BaseException as error:  # the caller waits for an answer, whatever ends this thread (SystemExit, too)
            # No close message: the server answers what it has, then treats the sequence as cut off.
            self._source_error = error
            self._exchange.half_close()
