"""The batcher: which requests share a run, and when it runs. It knows no transport."""

from service.serving.batcher.batcher import Batcher
from service.serving.batcher.job import Answer, Job
from service.serving.batcher.model_queue import BatchLimits
from service.serving.batcher.on_the_way import OnTheWay
from service.serving.batcher.run_place import Place

__all__ = ["Answer", "BatchLimits", "Batcher", "Job", "OnTheWay", "Place"]
