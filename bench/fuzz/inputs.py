"""Which input has which number: the seed and the number decide all of it, but for ids that the server has given."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING

from bench.fuzz import mutated_messages, valid_requests
from bench.fuzz.malformed_messages import malformed
from bench.fuzz.script import PATIENCE_SECONDS, Kind, Script, Step, one_message
from bench.fuzz.stream_walks import walk

if TYPE_CHECKING:
    from bench.fuzz.methods import Method
    from bench.fuzz.server_facts import ServerFacts

# A walk sends many messages.
_SHARES: dict[Kind, float] = {"bytes": 0.25, "fields": 0.65, "walks": 0.1}
# Of all inputs of single messages: without the patience to be answered.
_HURRIED_SHARE, _HURRIED_SECONDS = 0.01, (1e-6, 1e-4, 1e-3)


class InputGenerator:
    """Draws inputs of some kinds for the methods of a server."""

    def __init__(self, methods: Sequence[Method], facts: ServerFacts, kinds: Sequence[Kind], *, seed: int) -> None:
        self._methods, self._facts, self._kinds, self._seed = methods, facts, kinds, seed
        self._kind_weights = list(accumulate(_SHARES[kind] for kind in kinds))
        self._weights = list(accumulate(method.weight for method in methods))
        walked = [(method, _walk_weight(method)) for method in methods]
        self._walked = [method for method, weight in walked if weight]
        self._walk_weights = list(accumulate(weight for _, weight in walked if weight))

    def draw(self, number: int) -> Script:
        """Return the input of one number."""
        rng = Random(self._seed << 40 | number)
        (kind,) = rng.choices(self._kinds, cum_weights=self._kind_weights)
        if kind == "walks":
            (method,) = rng.choices(self._walked, cum_weights=self._walk_weights)
            return walk(method, self._facts, rng)
        (method,) = rng.choices(self._methods, cum_weights=self._weights)
        if kind == "bytes":
            made = malformed(valid_requests.request(method, self._facts, rng).SerializeToString(), rng)
        else:
            made = mutated_messages.message(method, self._facts, rng).SerializeToString()
        if rng.random() >= _HURRIED_SHARE and not _never_ends(method):
            return one_message(kind, method.path, made)
        steps = (Step(what="send", data=made), Step(what="end"), Step(what="await"), Step(what="cancel"))
        seconds = PATIENCE_SECONDS if _never_ends(method) else rng.choice(_HURRIED_SECONDS)
        return Script(kind=kind, path=method.path, steps=steps, timeout_seconds=seconds)


def _never_ends(method: Method) -> bool:
    return method.gives_stream and not method.takes_stream and method.name == "Watch"


def _walk_weight(method: Method) -> float:
    if method.name in ("Stream", "ModelStreamInfer"):
        return 20.0
    return 3.0 if method.takes_stream or method.gives_stream or method.name == "ModelInfer" else 0.2 * method.weight
