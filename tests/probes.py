"""Owns a probe by hand: its one layer, or two, see the frames themselves; a frame of POISON makes it fail."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from service.engine.probe import Probe
from service.loading.servable import Servable
from soloist.v1 import model_pb2 as pb
from tests.servables import GatedRunner, servable

POISON = -1000.0
WINDOW = 4
EPS = 1e-5


class FramesProbe:
    """Stands for service.engine.probe.Probe; runs wait at `gate`."""

    def __init__(self, layers: Sequence[str]) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Semaphore(0)
        self._layers = layers

    def run(self, frames: NDArray[Any], lengths: Sequence[int], _states: Any) -> dict[str, tuple[Any, Any]]:
        self.begun.release()
        assert self.gate.wait(timeout=30)
        if (frames == POISON).any():
            raise RuntimeError("secret of the engine room")
        values = frames[:, : lengths[0]].astype(np.float64)
        return dict.fromkeys(self._layers, (values.sum(axis=1), (values**2).sum(axis=1)))


def manifest(*, mean: float = 0.0, variance: float = 1.0) -> pb.Probe:
    """Describe a BatchNorm "norm" of one feature with a threshold of 0.5 each, and a control "layer"."""
    bounds = pb.SkewThresholds(window_sequences=WINDOW, mean_tid=0.5, variance_tid=0.5, divergence_nats=0.5)
    reference = pb.Moments(mean=[mean], variance=[variance])
    return pb.Probe(
        layers=[
            pb.ProbedLayer(name="norm", kind="batch", reference=reference, eps=EPS, thresholds=[bounds]),
            pb.ProbedLayer(name="layer", kind="layer", eps=EPS),
        ]
    )


def probed(probe: FramesProbe | None = None, *, version: int = 1) -> Servable:
    """Make a version that answers calls and has such a probe."""
    made = servable(GatedRunner(), version=version)
    made.manifest.version = version
    made.manifest.probe.CopyFrom(manifest())
    return replace(made, probe=cast("Probe", probe or FramesProbe(("norm", "layer"))))
