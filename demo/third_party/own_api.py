"""Asking by the server's own API: whole, and piece by piece on a stream a sequence."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from itertools import zip_longest

from demo.third_party.model import ThirdPartyModel
from demo.third_party.sequences import Outputs, Sequence, joined
from soloist import ChunkResult, Client, Prediction


class OwnApi:
    """Asks one model."""

    def __init__(self, client: Client, model: ThirdPartyModel) -> None:
        self._client = client
        self._model = model.name

    def whole(self, pieces: list[list[Sequence]]) -> list[Outputs]:
        """One call a sequence, which is in one piece."""
        return [
            self._outputs(
                self._client.predict(self._model, each.frames, every_frame=True, inputs=each.auxiliary_inputs)
            )
            for (each,) in pieces
        ]

    def on_streams(self, pieces: list[list[Sequence]]) -> list[Outputs]:
        """One stream a sequence, all open at once; they take turns."""
        found: list[list[Outputs]] = [[] for _ in pieces]
        with ExitStack() as stack:
            streams = [stack.enter_context(self._client.stream(self._model, every_frame=True)) for _ in pieces]
            for turn in zip_longest(*pieces):
                for index, piece in enumerate(turn):
                    if piece is not None:
                        answer = streams[index].send(piece.frames, inputs=piece.auxiliary_inputs)
                        found[index].append(self._outputs(answer))
        return [joined(each) for each in found]

    def _whole(self, sequence: Sequence) -> Outputs:
        inputs = sequence.auxiliary_inputs
        return self._outputs(self._client.predict(self._model, sequence.frames, every_frame=True, inputs=inputs))

    @cached_property
    def _first_output(self) -> str:
        manifest = self._client.model(self._model).manifest
        return manifest.signature.outputs.name if manifest else ""

    def _outputs(self, answer: Prediction | ChunkResult) -> Outputs:
        return {self._first_output: answer.outputs, **answer.extra_outputs}
