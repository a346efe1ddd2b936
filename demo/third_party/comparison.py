"""The comparison: every way to ask a model, against the bare loop cut at the same frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import grpc

from demo.third_party.download import cached_path
from demo.third_party.model import ThirdPartyModel
from demo.third_party.oip import OpenInference, RefusedError
from demo.third_party.own_api import OwnApi
from demo.third_party.sequences import Outputs, Sequence, at_random, joined, numbers_that_differ, singly
from service.engine.onnx_runtime import ort
from soloist import Client, SoloistError

_SEED = 4
Cut = Callable[[int], list[int]]
Ask = Callable[[list[list[Sequence]]], list[Outputs]]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What came of one way to ask; `failure` says why nothing was compared."""

    way: str
    number_count: int = 0
    differing_count: int = 0
    failure: str = ""

    @property
    def equal(self) -> bool:
        """Return whether something was compared and no bit differs."""
        return self.number_count > 0 and not self.differing_count and not self.failure


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All ways to ask one model.

    Of the bare loop itself, for a model that streams: `cut_differs` counts the numbers that change when the sequences
    are cut, and `lost_differs` those that change when every piece begins anew, which is what a lost state would cost.
    """

    model: ThirdPartyModel
    lengths: list[int]
    outputs: list[str]
    ways: list[Compared]
    cut_differs: int = 0
    lost_differs: int = 0

    @property
    def equal(self) -> bool:
        """Return whether no bit differs, whichever way."""
        return all(way.equal for way in self.ways)


class Comparer:
    """Asks one model every way, and runs its bare loop beside."""

    def __init__(self, model: ThirdPartyModel, client: Client, channel: grpc.Channel) -> None:
        self._model = model
        self._sequences = model.sequences()
        self._session = _bare_session(model)
        self._own, self._open = OwnApi(client, model), OpenInference(channel, model)

    def compare(self) -> Comparison:
        """Ask every way; one that fails is noted, and the others go on."""
        whole = self._bare(_uncut)
        carries = self._model.in_sequences
        return Comparison(
            model=self._model,
            lengths=[len(each) for each in self._sequences],
            outputs=[f"{name} {each.dtype.name}" for name, each in whole[0].items()],
            ways=[self._way(way, cut, ask) for way, cut, ask in self._ways()],
            cut_differs=sum(map(numbers_that_differ, self._bare(_randomly), whole)) if carries else 0,
            lost_differs=sum(map(numbers_that_differ, self._forgetful(), whole)) if carries else 0,
        )

    def _ways(self) -> list[tuple[str, Cut, Ask]]:
        ways: list[tuple[str, Cut, Ask]] = [] if self._model.open_protocol_only else self._own_ways()
        asks = (("ModelInfer", self._open.in_calls), ("ModelStreamInfer", self._open.on_a_stream))
        if self._model.in_sequences:
            if not self._model.one_frame_per_run:
                ways.append(("ModelInfer", _uncut, self._open.in_calls))
            ways += [(f"{call}, sequences", self._request, ask) for call, ask in asks]
        else:
            cut = self._request if self._model.streams else _uncut
            ways += [(call, cut, ask) for call, ask in asks]
        return ways

    def _own_ways(self) -> list[tuple[str, Cut, Ask]]:
        ways: list[tuple[str, Cut, Ask]] = [("Predict", _uncut, self._own.whole)]
        if self._model.streams:
            streams = self._own.on_streams
            ways += [("Stream, single frames", singly, streams), ("Stream, chunks", _randomly, streams)]
        return ways

    def _request(self, length: int) -> list[int]:
        """Cut as requests of the Open Inference Protocol are: a frame each where the graph takes one."""
        return singly(length) if self._model.one_frame_per_run else _randomly(length)

    def _bare(self, cut: Cut) -> list[Outputs]:
        return [self._model.loop(self._session, each.cut(cut(len(each)))) for each in self._sequences]

    def _forgetful(self) -> list[Outputs]:
        pieces = [each.cut(self._request(len(each))) for each in self._sequences]
        return [joined(self._model.loop(self._session, [piece]) for piece in each) for each in pieces]

    def _way(self, way: str, cut: Cut, ask: Ask) -> Compared:
        try:
            served = ask([each.cut(cut(len(each))) for each in self._sequences])
        except (SoloistError, RefusedError) as error:
            return Compared(way=way, failure=str(error))
        except grpc.RpcError as error:
            details = getattr(error, "details", None)  # a method of those that end a call
            return Compared(way=way, failure=details() if details else str(error))
        bare = self._bare(cut)
        return Compared(
            way=way,
            number_count=sum(output.size for each in bare for output in each.values()),
            differing_count=sum(map(numbers_that_differ, served, bare)),
        )


def _bare_session(model: ThirdPartyModel) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # threads inside an operator may split sums elsewhere
    options.log_severity_level = 3
    return ort.InferenceSession(cached_path(model.file), options, providers=["CPUExecutionProvider"])


def _uncut(_length: int) -> list[int]:
    return []


def _randomly(length: int) -> list[int]:
    return at_random(length, _SEED)
