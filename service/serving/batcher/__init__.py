"""What shares a run, and when it runs. Knows no transport."""

from service.serving.batcher.batcher import Batcher
from service.serving.batcher.job import Answer, Job
from service.serving.batcher.model_queue import BatchLimits

__all__ = ["Answer", "BatchLimits", "Batcher", "Job"]
