"""What shares a run, and when it runs. Knows no transport."""

from service.batcher.job import Answer, Job
from service.batcher.lanes import Batcher, BatchLimits

__all__ = ["Answer", "BatchLimits", "Batcher", "Job"]
