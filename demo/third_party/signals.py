"""Signals that models are fed: windows, spectra and mel bands of real speech, and spectra of a made-up EEG.

Shapes: S samples, T frames. Speech has 16,000 samples a second. No package holds a real EEG.
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
    """Return the samples [S] of a WAV file, 16 bit, one channel, in -1 … 1."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return (samples / np.float32(32768)).astype(np.float32)


def windows(samples: Floats, *, length: int, hop: int) -> Floats:
    """Return windows [T, length] that begin every `hop` samples; before the first `hop` samples there is silence."""
    silence = np.zeros(length - hop, np.float32)
    views = np.lib.stride_tricks.sliding_window_view(np.concatenate([silence, samples]), length)
    return np.ascontiguousarray(views[::hop])


def magnitudes(frames: Floats) -> Floats:
    """Return the size [T, length / 2 + 1] of each frequency."""
    sizes: Floats = np.abs(np.fft.rfft(frames, axis=1)).astype(np.float32)
    return sizes


def log_mel(samples: Floats, *, window: int, fft: int, bands: int) -> Floats:
    """Return the logarithm of the power [T, bands] in bands of equal width in mel, every 10 ms."""
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
    """Return each frame [T, C] after the `count` - 1 before it: [T, count · C]; before the first there are zeros."""
    padded = np.concatenate([np.zeros((count - 1, frames.shape[1]), np.float32), frames])
    return np.concatenate([padded[at : at + len(frames)] for at in range(count)], axis=1)


_EEG_RATE = 200  # samples a second
_EEG_BANDS = 100  # one a Hz


def eeg_spectra(seconds: int, seed: int) -> NDArray[np.float32]:
    """Return power [T, _EEG_BANDS] of 1 s every 0.5 s, each band with mean 0 and deviation 1.

    The recording is noise that falls with frequency, with spikes three times a second in its second half.
    """
    rng = np.random.default_rng(seed)
    samples = np.cumsum(rng.normal(size=seconds * _EEG_RATE)) * 0.1
    samples[len(samples) // 2 :: _EEG_RATE // 3] += 20
    pieces = np.lib.stride_tricks.sliding_window_view(samples, _EEG_RATE)[:: _EEG_RATE // 2]
    power = np.abs(np.fft.rfft(pieces * np.hanning(_EEG_RATE), axis=1))[:, :_EEG_BANDS] ** 2
    even: NDArray[np.float32] = ((power - power.mean(axis=0)) / power.std(axis=0)).astype(np.float32)
    return even
