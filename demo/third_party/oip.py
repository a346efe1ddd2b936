"""Asking by the Open Inference Protocol: whole, piece by piece in unary calls, and piece by piece on one stream.

Several sequences take turns, so that a state that went to the wrong one would be seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from operator import itemgetter

import grpc
import numpy as np

from demo.third_party.model import ThirdPartyModel
from demo.third_party.sequences import Array, Outputs, Sequence, joined
from soloist.data_types import BY_OIP_WORD, oip_word_of
from soloist.oip import grpc_service_pb2 as pb
from soloist.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub

_TIMEOUT_SECONDS = 60.0

Pieces = list[list[Sequence]]  # of each sequence


class RefusedError(Exception):
    """The server answered a request on a stream with an error; the text is its."""


class OpenInference:
    """Asks one model."""

    def __init__(self, channel: grpc.Channel, model: ThirdPartyModel) -> None:
        self._stub = GRPCInferenceServiceStub(channel)
        self._model = model

    def in_calls(self, pieces: Pieces) -> list[Outputs]:
        """One call a piece; the server keeps states by the numbers of sequences."""
        found: list[list[Outputs]] = [[] for _ in pieces]
        for index, request in self._turns(pieces, first_id=1):
            found[index].append(self._outputs(self._call(request)))
        return [joined(each) for each in found]

    def on_a_stream(self, pieces: Pieces) -> list[Outputs]:
        """All of them on one stream, without waiting for answers, which keep the order of each sequence only.

        So where nothing is carried, they may come in any order, and the id of the request says whose each is.
        """
        requests = []
        for at, (index, request) in enumerate(self._turns(pieces, first_id=1001)):
            request.id = f"{index} {at}"
            requests.append(request)
        found: list[list[tuple[int, Outputs]]] = [[] for _ in pieces]
        for answer in self._stub.ModelStreamInfer(iter(requests), timeout=_TIMEOUT_SECONDS):
            if answer.error_message:
                raise RefusedError(answer.error_message)
            index, at = map(int, answer.infer_response.id.split())
            found[index].append((at, self._outputs(answer.infer_response)))
        if not self._model.in_sequences:
            found = [sorted(each, key=itemgetter(0)) for each in found]
        return [joined(outputs for _, outputs in each) for each in found]

    def _call(self, request: pb.ModelInferRequest) -> pb.ModelInferResponse:
        return self._stub.ModelInfer(request, timeout=_TIMEOUT_SECONDS)

    def _turns(self, pieces: Pieces, *, first_id: int) -> Iterator[tuple[int, pb.ModelInferRequest]]:
        """Return the index of a sequence and the request of its next piece; the sequences take turns."""
        for at, turn in enumerate(zip_longest(*pieces)):
            for index, piece in enumerate(turn):
                if piece is not None:
                    request = self._request(piece)
                    if self._model.in_sequences:
                        request.parameters["sequence_id"].int64_param = first_id + index
                        request.parameters["sequence_start"].bool_param = at == 0
                        request.parameters["sequence_end"].bool_param = at == len(pieces[index]) - 1
                    yield index, request

    def _request(self, piece: Sequence) -> pb.ModelInferRequest:
        request = pb.ModelInferRequest(model_name=self._model.name)
        self._add(request, self._model.frames_input, self._model.as_requested(piece.frames))
        for name, array in piece.per_frame.items():
            self._add(request, name, self._model.as_requested(array))
        for name, array in piece.per_sequence.items():
            self._add(request, name, self._model.auxiliary_as_requested(array))
        for name, array in piece.initial_states.items():
            self._add(request, name, array)
        return request

    @staticmethod
    def _add(request: pb.ModelInferRequest, name: str, array: Array) -> None:
        request.inputs.add(name=name, datatype=oip_word_of(array.dtype), shape=array.shape)
        request.raw_input_contents.append(array.tobytes())

    @staticmethod
    def _outputs(response: pb.ModelInferResponse) -> Outputs:
        """Return the numbers of each output; of one sequence they lie the same wherever its batch axis is."""
        return {
            output.name: np.frombuffer(data, BY_OIP_WORD[output.datatype].dtype)
            for output, data in zip(response.outputs, response.raw_output_contents, strict=True)
        }
