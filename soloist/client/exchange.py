"""One bidirectional call as question and answer, blocking: what a stream is built on."""

from __future__ import annotations

import contextlib
from queue import SimpleQueue

import grpc

from soloist.client.errors import from_rpc_error, no_answer
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceStub


class InferRequest:
    """The call begins with the object and ends with `finish` or `cancel`, or when `ask` raises."""

    def __init__(self, stub: SequenceInferenceStub, timeout_seconds: float | None) -> None:
        self._requests: SimpleQueue[pb.StreamRequest | None] = SimpleQueue()  # None ends the call's requests
        self._call = stub.Stream(iter(self._requests.get, None), timeout=timeout_seconds)

    def ask(self, request: pb.StreamRequest) -> pb.StreamResponse:
        """Send one message and wait for its answer; raises SoloistError."""
        self._requests.put(request)
        try:
            return next(self._call)
        except grpc.RpcError as error:
            self._requests.put(None)
            raise from_rpc_error(error) from error
        except StopIteration:
            self._requests.put(None)
            raise no_answer() from None
        except BaseException:  # Ctrl-C: an answer that comes later would be taken for that of the next question
            self.cancel()
            raise

    def finish(self) -> None:
        """End the call after the last answer, and wait until the server has ended it too."""
        self._requests.put(None)
        with contextlib.suppress(grpc.RpcError):  # everything that was asked has been answered
            for _ in self._call:
                pass

    def cancel(self) -> None:
        """End the call at once."""
        self._call.cancel()
        self._requests.put(None)
