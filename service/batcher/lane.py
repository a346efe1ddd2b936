"""What waits for one version of a model, oldest first, and which of it runs next."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.errors import Reason, ServiceError

if TYPE_CHECKING:
    from service.batcher.composition import Compose
    from service.batcher.job import Job
    from service.engine.servable import Servable


@dataclass(frozen=True, kw_only=True)
class BatchLimits:
    """Bounds: `workers` runs at once; sequences and padded frames of a run; frames of a slice; jobs that wait."""

    workers: int
    max_batch_size: int
    max_batch_frames: int
    max_slice_frames: int
    max_queued: int


class Lane:
    """Belongs to the event loop."""

    def __init__(self, servable: Servable, compose: Compose) -> None:
        self.servable = servable
        self._compose = compose
        self.jobs: dict[int, Job] = {}

    def add(self, job: Job) -> None:
        """Let a job wait behind the others."""
        self.jobs[id(job)] = job

    def drop(self, job: Job) -> None:
        """Let a job wait no longer."""
        self.jobs.pop(id(job), None)

    def take(self, limits: BatchLimits) -> list[tuple[Job, int]]:
        """Take the next batch out: jobs, and how many of their frames run now; none when nothing waits."""
        self._expire()
        waiting = list(self.jobs.values())
        if not waiting:
            return []
        servable = self.servable
        longest = max(job.remaining_frames for job in waiting)
        if servable.sliced:
            longest = servable.slice_frames(limits.max_slice_frames)
        lengths = [min(job.remaining_frames, longest) for job in waiting]
        size = limits.max_batch_size if servable.batched else 1
        chosen = self._compose(lengths, max_size=size, max_frames=limits.max_batch_frames)
        for index in chosen:
            self.drop(waiting[index])
        return [(waiting[index], lengths[index]) for index in chosen]

    def _expire(self) -> None:
        now = time.monotonic()
        for job in [job for job in self.jobs.values() if job.is_expired(now) or job.future.done()]:
            self.drop(job)
            if not job.future.done():
                job.future.set_exception(ServiceError(Reason.DEADLINE_EXCEEDED))
