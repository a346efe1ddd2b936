"""All metrics of one server, in one registry."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, disable_created_metrics

from service.app import model_repository
from service.app.model_repository import VersionMetrics
from service.core.metrics import GaugeFamily, Merge
from service.observers.feedback import metrics as feedback
from service.observers.feedback.metrics import FeedbackMetrics
from service.observers.live_check.metrics import LiveCheckMetrics
from service.observers.shadow_metrics import ShadowMetrics
from service.observers.skew import metrics as skew
from service.observers.skew import trust_metrics as trust
from service.observers.skew.metrics import SkewMetrics
from service.observers.skew.trust_metrics import TrustMetrics
from service.sealing.metrics import SealingMetrics
from service.serving.recorder import Recorder
from service.serving.resume_metrics import ResumeMetrics
from service.serving.session_metrics import SessionMetrics
from service.serving.store_metrics import StoreMetrics
from service.transport import certificates


def new_registry() -> CollectorRegistry:
    """Return a registry that shows the process and the platform, and nothing else yet."""
    # A series more for every counter and histogram, which nothing here reads.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the package has gaps in its types
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


def merges() -> dict[str, Merge]:
    """Return what gauges of several processes show together, by name, where it isn't the sum."""
    parts = (*model_repository.FAMILIES, *feedback.FAMILIES, *skew.FAMILIES, *trust.FAMILIES)
    parts += certificates.FAMILIES
    return {each.name: each.merge for each in parts if isinstance(each, GaugeFamily) and each.merge is not Merge.SUM}


class Metrics:
    """The metrics of every part that has series of versions or of models, in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.recorder = Recorder(registry)
        self.sessions = SessionMetrics(registry)
        self.live_check = LiveCheckMetrics(registry)
        self.shadow = ShadowMetrics(registry)
        self.feedback = FeedbackMetrics(registry)
        self.skew = SkewMetrics(registry)
        self.trust = TrustMetrics(registry)
        self.sealing = SealingMetrics(registry)
        self.resume = ResumeMetrics(registry)
        self.store = StoreMetrics(registry)
        parts = (self.recorder, self.sessions, self.live_check, self.shadow, self.feedback, self.skew, self.trust)
        self.versions = VersionMetrics(registry, parts, self.shadow.prepare_pair)
