"""The requests of a load: few distinct ones, made before any leaves, and which of them is sent when."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.load_generator.call import Request
from bench.load_generator.load import Load, Mode
from bench.load_generator.wire.target import Target
from bench.load_generator.workload import RANDOM_CHUNK_FRAMES, Array, Given, WorkloadError, chunks, synthetic_sequences
from soloist.client.frames import to_model_frames

_CUT_REQUESTS = 256  # of few sequences, so many streams with other random cuts
_MOST_CHUNKS = 10_000_000  # some gigabytes


def make_requests(load: Load, target: Target, given: Sequence[Given] | None) -> list[Request]:
    """Return each sequence as it is sent, whole, as streams, or both; the same seed gives the same.

    Without sequences some are made up. Raises WorkloadError where that can't be or streams have too many chunks,
    SoloistError where those given aren't what the model takes.
    """
    rng = np.random.default_rng(load.seed)
    sequences = _sequences(load, target, given)
    made: list[Request] = []
    if load.mode is not Mode.STREAM:
        made += [Request(chunks=[sequence]) for sequence in sequences]
    if load.streams:
        times = 1 if load.chunk_frames is not None else -(-_CUT_REQUESTS // len(sequences))
        _bound_chunks(sequences, times, load.chunk_frames or RANDOM_CHUNK_FRAMES)
        cuts = [chunks(each, chunk_frames=load.chunk_frames, rng=rng) for _ in range(times) for each in sequences]
        made += [Request(chunks=cut, streamed=True) for cut in cuts]
    return [request.encoded(target.api) for request in made]


def choose(load: Load, requests: Sequence[Request], count: int) -> list[Request]:
    """Draw which request is sent when; in a mixed load each is a stream by the chance of the load's share."""
    rng = np.random.default_rng(load.seed)
    whole = [request for request in requests if not request.streamed]
    streamed = [request for request in requests if request.streamed]
    share = {Mode.UNARY: 0.0, Mode.STREAM: 1.0, Mode.MIXED: load.stream_share}[load.mode]
    kinds = rng.random(count) < share
    indices = rng.integers(np.where(kinds, max(1, len(streamed)), max(1, len(whole))))
    return [(streamed if kind else whole)[index] for kind, index in zip(kinds, indices, strict=True)]


def _bound_chunks(sequences: Sequence[Array], times: int, chunk_frames: int) -> None:
    count = times * sum(len(each) for each in sequences) // chunk_frames
    if count > _MOST_CHUNKS:
        raise WorkloadError(
            f"the streams would have {count} chunks of {chunk_frames} frames, and more than {_MOST_CHUNKS} aren't "
            "made: set --chunk-frames higher, or shorten the sequences (--lengths)"
        )


def _sequences(load: Load, target: Target, given: Sequence[Given] | None) -> list[Array]:
    if given is not None:
        signature = None if target.manifest is None else target.manifest.signature
        return [to_model_frames(frames, signature) for frames in given]
    if target.manifest is None:
        raise WorkloadError(f"the server has no manifest of {load.model!r}: give frames in a file")
    return synthetic_sequences(target.manifest, seed=load.seed, frame_counts=load.frame_counts)
