"""Owns what the model of EEG is fed: spectra of a made-up recording, since no package holds a real one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 200  # samples a second
BANDS = 100  # one a Hz


def spectra(seconds: int, seed: int) -> NDArray[np.float32]:
    """Give power [T, BANDS] of 1 s every 0.5 s, each band with mean 0 and deviation 1.

    The recording is noise that falls with frequency, with spikes three times a second in its second half.
    """
    rng = np.random.default_rng(seed)
    samples = np.cumsum(rng.normal(size=seconds * RATE)) * 0.1
    samples[len(samples) // 2 :: RATE // 3] += 20
    pieces = np.lib.stride_tricks.sliding_window_view(samples, RATE)[:: RATE // 2]
    power = np.abs(np.fft.rfft(pieces * np.hanning(RATE), axis=1))[:, :BANDS] ** 2
    even: NDArray[np.float32] = ((power - power.mean(axis=0)) / power.std(axis=0)).astype(np.float32)
    return even
