"""The looks at the skew of every BatchNorm of a running server, again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from demo.monitoring.plan import model_name
from demo.monitoring.result import SkewPoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from soloist import AsyncMonitor, NormSkew


class SkewReadings:
    """What was seen so far; times count from `started`."""

    def __init__(self, monitor: AsyncMonitor, seeds: Sequence[int], *, poll_seconds: float) -> None:
        self._monitor, self._seeds, self._poll_seconds = monitor, seeds, poll_seconds
        self._started, self._epoch_seconds = time.perf_counter(), time.time()
        self._version = 0
        self._recalibrated: Mapping[int, int] = {}
        self.skew: list[SkewPoint] = []

    def now(self) -> float:
        """Return the seconds since the start."""
        return time.perf_counter() - self._started

    def epoch_seconds(self, at_seconds: float) -> float:
        """Return a time of these readings in seconds since 1970."""
        return self._epoch_seconds + at_seconds

    def of_versions(self, version: int, recalibrated: Mapping[int, int] | None = None) -> None:
        """Look at this version of every model from now on, and at these others, by seed."""
        self._version, self._recalibrated = version, recalibrated or {}

    @asynccontextmanager
    async def polling(self) -> AsyncIterator[None]:
        """Look again and again while the block runs."""
        task = asyncio.create_task(self._look())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled() and (error := task.exception()):
            raise error

    async def _look(self) -> None:
        while True:
            for seed in self._seeds:
                for version in (self._version, *filter(None, [self._recalibrated.get(seed)])):
                    skew = await self._monitor.norm_skew(model_name(seed), version)
                    self.skew += self._points(seed, skew, self.now())
            await asyncio.sleep(self._poll_seconds)

    def _points(self, seed: int, skew: NormSkew, at_seconds: float) -> Iterator[SkewPoint]:
        for layer in skew.layers:
            if layer.figures is None:
                continue
            yield SkewPoint(
                seed=seed,
                version=skew.version,
                layer=layer.name,
                at_seconds=at_seconds,
                figures=asdict(layer.figures),
                thresholds=asdict(layer.thresholds) if layer.thresholds is not None else {},
                crossed=layer.crossed,
            )
