"""What shares a run, and when it runs. Knows no transport."""

from service.batcher.batcher import Batcher
from service.batcher.job import Answer, Job
from service.batcher.lane import BatchLimits

__all__ = ["Answer", "BatchLimits", "Batcher", "Job"]
