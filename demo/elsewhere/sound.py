"""Owns what the models of sound are fed: windows, spectra and mel bands of real speech.

Shapes: S samples, T frames. 16,000 samples a second.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
Floats = NDArray[np.float32]
_QUIETEST = 1e-6  # added before logarithms


def read(path: Path) -> Floats:
    """Give the samples [S] of a WAV file, 16 bit, one channel, in -1 … 1."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return (samples / np.float32(32768)).astype(np.float32)


def windows(samples: Floats, *, length: int, hop: int) -> Floats:
    """Give windows [T, length] that begin every `hop` samples; before the first `hop` samples there is silence."""
    silence = np.zeros(length - hop, np.float32)
    views = np.lib.stride_tricks.sliding_window_view(np.concatenate([silence, samples]), length)
    return np.ascontiguousarray(views[::hop])


def magnitudes(frames: Floats) -> Floats:
    """Give the size [T, length / 2 + 1] of each frequency."""
    sizes: Floats = np.abs(np.fft.rfft(frames, axis=1)).astype(np.float32)
    return sizes


def log_mel(samples: Floats, *, window: int, fft: int, bands: int) -> Floats:
    """Give the logarithm of the power [T, bands] in bands of equal width in mel, every 10 ms."""
    frames = windows(samples, length=window, hop=RATE // 100) * np.hanning(window).astype(np.float32)
    power = np.abs(np.fft.rfft(frames, n=fft, axis=1)) ** 2
    highest_mel = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, highest_mel, bands + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(fft, 1 / RATE)[:, None]
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    filters = np.clip(np.minimum(rising, falling), 0, None)
    bands_of_power: Floats = np.log(power @ filters + _QUIETEST).astype(np.float32)
    return bands_of_power


def stacked(frames: Floats, count: int) -> Floats:
    """Give each frame [T, C] after the `count` - 1 before it: [T, count · C]; before the first there are zeros."""
    padded = np.concatenate([np.zeros((count - 1, frames.shape[1]), np.float32), frames])
    return np.concatenate([padded[at : at + len(frames)] for at in range(count)], axis=1)
