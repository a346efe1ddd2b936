"""What the frames were like that a model was trained on: so a server can tell when its confidence no longer holds."""

from __future__ import annotations

from functools import reduce
from operator import add

from export.probe.thresholds import QUANTILE, WINDOWS, thresholds
from models.data import Split
from service.observers.skew.inputs import frame_sums
from service.observers.skew.moments import PooledSums
from soloist.v1 import model_pb2 as pb

_EPS = 1e-5  # as PyTorch's normalisers
# A manifest is text: of more features, or of more kinds of tokens, it would be mostly this.
_MOST_FEATURES = 1024


def refer_to(seen: Split, usual: Split, described: pb.Model) -> None:
    """Put into the manifest the moments of the frames `seen` in training, unless they have very many features.

    The thresholds are from windows of `usual` sequences: as they come when nothing has changed.
    """
    tokens = described.signature.token_count
    stored = reduce(add, _sums(seen, tokens)).moments()
    if len(stored.mean) > _MOST_FEATURES:
        return
    found = described.input_reference
    found.moments.CopyFrom(pb.Moments(mean=stored.mean, variance=stored.variance))
    found.eps, found.quantile, found.windows = _EPS, QUANTILE, WINDOWS
    found.sequences, found.held_out_sequences = len(seen), len(usual)
    found.thresholds.extend(thresholds(stored, _EPS, _sums(usual, tokens)))


def _sums(split: Split, token_count: int) -> list[PooledSums]:
    return [frame_sums(frames, token_count) for frames in split.sequences]
