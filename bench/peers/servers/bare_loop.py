"""The model in a loop, without a server: the limit of computing, and the answers that all others are compared with.

It reads what to do from its input, a line each: `answers FILE`, or `whole SECONDS` or `steps SECONDS`, which it answers
with a rate.
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

import numpy as np

from bench.peers.servers.model import Array, Model, arguments


def answers(model: Model, sequences: list[Array], streams: list[Array]) -> dict[str, Array]:
    """Return the outputs of the last frame of every sequence, and of every frame of every stream."""
    whole = np.stack([model.whole(frames)[-1] for frames in sequences])
    steps = []
    for frames in streams:
        stream = model.stream()
        steps += [stream.step(frames[index : index + 1]) for index in range(len(frames))]
    return {"whole": whole, "steps": np.stack(steps)}


def whole_rate(model: Model, sequences: list[Array], seconds: float) -> float:
    """Return how many sequences are computed in a second."""
    began, endless = time.perf_counter(), itertools.cycle(sequences)
    for count in itertools.count():
        if (passed := time.perf_counter() - began) > seconds:
            return count / passed
        model.whole(next(endless))
    raise AssertionError


def step_rate(model: Model, streams: list[Array], seconds: float) -> float:
    """Return how many steps are computed in a second."""
    began, stream = time.perf_counter(), model.stream()
    frames = [streams[0][index : index + 1] for index in range(len(streams[0]))]
    endless = itertools.cycle(frames)
    for count in itertools.count():
        if (passed := time.perf_counter() - began) > seconds:
            return count / passed
        stream.step(next(endless))
    raise AssertionError


def main() -> None:
    """Do what the input says until it ends."""
    options = arguments()
    model = Model(options.model)
    with np.load(options.workload) as saved:
        sequences = [saved[name] for name in saved.files if name.startswith("whole")]
        streams = [saved[name] for name in saved.files if name.startswith("stream")]
    for line in sys.stdin:
        verb, value = line.split(maxsplit=1)
        if verb == "answers":
            np.savez(Path(value.strip()), **answers(model, sequences, streams))  # type: ignore[arg-type]
            reply = "done"
        elif verb == "whole":
            reply = str(whole_rate(model, sequences, float(value)))
        else:
            reply = str(step_rate(model, streams, float(value)))
        sys.stdout.write(f"{reply}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
