"""The queue of one version: callers take turns, each with its oldest request first, at the measured pace."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from service.core.errors import Reason, ServiceError
from service.serving.batcher.pace import Pace

if TYPE_CHECKING:
    from service.loading.servable import Servable
    from service.serving.batcher.batch_selection import SelectBatch
    from service.serving.batcher.job import Job
    from service.serving.batcher.run_place import RunPlaces

# The expected time is an average: without headroom, half of the jobs at the limit would be late.
_HEADROOM = 2.0
# How many callers without a job are remembered before those whose clock no longer matters are forgotten.
_REMEMBERED = 256
# A batch is selected from the oldest jobs, this many times its size.
_CANDIDATE_BATCHES = 8


@dataclass(frozen=True, kw_only=True)
class BatchLimits:
    """Bounds: runs at once; sequences and padded frames of a run; frames of a slice; jobs that wait.

    `max_slice_seconds` is how long a slice may take that is longer, while requests come one at a time.
    `max_inline_seconds` is how long runs may hold the event loop in one turn of it; with 0 all happen on workers.
    `max_gather_seconds` is how long a run may wait for requests that are on their way.
    """

    workers: int
    max_batch_size: int
    max_batch_frames: int
    max_slice_frames: int
    max_queued: int
    max_slice_seconds: float = 0.0
    max_inline_seconds: float = 0.0
    max_gather_seconds: float = 0.0


@dataclass(slots=True)
class _Caller:
    clock: int
    jobs: dict[int, Job] = field(default_factory=dict)

    def jobs_until(self, clock: int) -> int:
        """Return how many of its jobs run until its clock reaches `clock`, if all are as long as the first."""
        if clock < self.clock:
            return 0
        frames = next(iter(self.jobs.values())).remaining_frames
        return min(len(self.jobs), 1 + (clock - self.clock) // frames)


class ModelQueue:
    """The jobs of one version that wait. Belongs to the event loop.

    `queued` counts the jobs that wait and may be refused; `clock` is the workers' time it has had, in seconds
    (service.serving.batcher.model_turns), which it takes part in once it `takes_turns`.
    """

    def __init__(self, servable: Servable, limits: BatchLimits, select_batch: SelectBatch, places: RunPlaces) -> None:
        self.servable = servable
        self.shares_runs = servable.batched and limits.max_batch_size > 1
        self._limits = limits
        self.pace = Pace()
        self.places = places
        self.clock = 0.0
        self.used_at = time.monotonic()
        self.takes_turns = False
        self.jobs: dict[int, Job] = {}
        self.queued = 0
        self._select_batch = select_batch
        self._callers: dict[str, _Caller] = {}
        self._silent: dict[str, int] = {}  # clocks of callers without a job
        self._clock = 0

    def add(self, job: Job) -> None:
        """Add a job behind the others of its caller."""
        self.used_at = time.monotonic()
        self.jobs[id(job)] = job
        self.queued += not job.may_wait
        caller = self._callers.get(job.caller)
        if caller is None:
            caller = self._callers[job.caller] = _Caller(self._clock_of(job.caller))
            self._silent.pop(job.caller, None)
        caller.jobs[id(job)] = job

    def drop(self, job: Job) -> None:
        """Remove a job."""
        if self.jobs.pop(id(job), None) is None:
            return
        self.queued -= not job.may_wait
        caller = self._callers[job.caller]
        del caller.jobs[id(job)]
        if not caller.jobs:
            del self._callers[job.caller]
            self._remember(job.caller, caller.clock)

    def refuse(self, caller: str, deadline: float | None) -> None:
        """Refuse one more job of a caller, if there is no room or no time for it.

        Raises:
            ServiceError: QUEUE_FULL, OVERLOADED or DEADLINE_EXCEEDED.

        """
        limits = self._limits
        if self.queued >= limits.max_queued and not self.make_room(caller):
            raise ServiceError(Reason.QUEUE_FULL, queued=self.queued)
        if deadline is None:
            return
        now = time.monotonic()
        max_rows = limits.max_batch_size if self.servable.batched else 1
        expected_seconds = self.pace.expected_seconds(self.ahead_of(caller), max_rows) if self.jobs else 0.0
        if now >= deadline:
            raise ServiceError(Reason.DEADLINE_EXCEEDED)
        if now + _HEADROOM * expected_seconds > deadline:
            raise overloaded(expected_seconds, deadline, now)

    def make_room(self, caller: str) -> bool:
        """Refuse the youngest job of the caller with the most jobs, unless that leaves it with fewer than `caller`."""
        own = len(self._callers[caller].jobs) if caller in self._callers else 0
        most = max(self._callers.values(), key=lambda each: len(each.jobs))
        youngest = next((job for job in reversed(most.jobs.values()) if not job.may_wait), None)
        if youngest is None or len(most.jobs) <= own + 1:
            return False
        self.drop(youngest)
        youngest.fail(ServiceError(Reason.QUEUE_FULL, queued=self.queued + 1))
        return True

    def has_room_in_run(self) -> bool:
        """Return whether one more job could be in the next run."""
        return self.shares_runs and len(self.jobs) < self._limits.max_batch_size

    def oldest_since(self) -> float:
        """Return since when the oldest job has waited, in seconds of time.perf_counter()."""
        return next(iter(self.jobs.values())).waiting_since

    def ahead_of(self, caller: str) -> int:
        """Return about how many of the waiting jobs run before the next one of a caller."""
        own = self._callers.get(caller)
        if own is None:
            clock = self._clock_of(caller)
            return sum(each.jobs_until(clock) for each in self._callers.values())
        turns = len(own.jobs)
        return min(len(self.jobs), turns + (len(self._callers) - 1) * (turns + 1))

    def take(self, *, alone: bool = False) -> list[tuple[Job, int]]:
        """Remove and return the next batch: jobs, and how many of their frames run now; empty if nothing waits.

        `alone` tells that requests come one at a time.
        """
        servable, limits = self.servable, self._limits
        if len(self.jobs) == 1:
            return self._take_only(alone=alone)
        waiting = self._next(_CANDIDATE_BATCHES * limits.max_batch_size if servable.batched else 1)
        if not waiting:
            return []
        longest = max(job.remaining_frames for job in waiting)
        if servable.sliced and longest > limits.max_slice_frames:
            longest = servable.slice_frames(limits.max_slice_frames)
        lengths = [min(job.remaining_frames, longest) for job in waiting]
        size = limits.max_batch_size if servable.batched else 1
        chosen = [(waiting[index], lengths[index]) for index in self._chosen(lengths, size, limits)]
        self._clock = self._callers[waiting[0].caller].clock
        for job, frames in chosen:
            self._callers[job.caller].clock += frames
        for job, _ in chosen:
            self.drop(job)
        return chosen

    def _take_only(self, *, alone: bool) -> list[tuple[Job, int]]:
        """Remove and return the only job that waits."""
        (job,) = self.jobs.values()
        if job.deadline is not None and self._is_too_late(job, time.monotonic()):
            return []
        frames, most = job.remaining_frames, self._limits.max_slice_frames
        if frames > most and self.servable.sliced:
            frames = self.servable.slice_frames(self._longer_slice(frames) if alone else most)
        caller = self._callers[job.caller]
        self._clock = caller.clock
        caller.clock += frames
        self.drop(job)
        return [(job, frames)]

    def expire(self) -> None:
        """Fail all jobs whose deadline has passed."""
        now = time.monotonic()
        for job in list(self.jobs.values()):
            self._is_too_late(job, now)

    def fail(self, error: Exception) -> None:
        """Fail all jobs that wait."""
        for job in list(self.jobs.values()):
            self.drop(job)
            job.fail(error)

    def _longer_slice(self, frames: int) -> int:
        """Return how many of so many frames run at once where nobody waits for their end: each slice costs a turn."""
        limits = self._limits
        longer = min(frames, limits.max_batch_frames)
        while longer > limits.max_slice_frames:
            seconds = self.places.expected_seconds(longer)
            if seconds is not None and seconds <= limits.max_slice_seconds:
                return longer
            longer //= 2
        return limits.max_slice_frames

    def _clock_of(self, caller: str) -> int:
        return max(self._clock, self._silent.get(caller, 0))

    def _remember(self, caller: str, clock: int) -> None:
        if len(self._silent) >= _REMEMBERED + 2 * len(self._callers):
            self._silent = {name: each for name, each in self._silent.items() if each > self._clock}
        self._silent[caller] = clock

    def _chosen(self, lengths: list[int], size: int, limits: BatchLimits) -> list[int]:
        return [0] if size == 1 else self._select_batch(lengths, max_size=size, max_frames=limits.max_batch_frames)

    def _next(self, most: int) -> list[Job]:
        """Return the job whose turn it is and after it the oldest of all, without those that are too late."""
        now = time.monotonic()
        first = None
        while self._callers and first is None:
            caller = min(self._callers.values(), key=lambda each: each.clock)
            oldest = next(iter(caller.jobs.values()))
            first = None if self._is_too_late(oldest, now) else oldest
        if first is None:
            return []
        others = [job for job in islice(self.jobs.values(), most) if job is not first]
        return [first, *(job for job in others if not self._is_too_late(job, now))][:most]

    def _is_too_late(self, job: Job, now: float) -> bool:
        """Return whether a job's deadline has passed, or will have before it has run; if so, refuse the job."""
        if job.is_expired(now):
            self.drop(job)
            job.fail(ServiceError(Reason.DEADLINE_EXCEEDED))
        elif len(self.jobs) > 1 and job.is_expired(now + (run_seconds := self.pace.known_run_seconds)):
            self.drop(job)
            job.fail(overloaded(run_seconds, job.deadline, now))
        return id(job) not in self.jobs


def overloaded(expected_seconds: float, deadline: float | None, now: float) -> ServiceError:
    """Return the error for a deadline that can't be met."""
    remaining = 0.0 if deadline is None else deadline - now
    facts = {"expected_seconds": round(expected_seconds, 3), "remaining_seconds": round(remaining, 3)}
    return ServiceError(Reason.OVERLOADED, **facts)
