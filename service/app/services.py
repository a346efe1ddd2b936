"""What the ports offer: the services of gRPC, and the pages of HTTP that aren't calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.access.need import METRICS
from service.api.health import HEALTH, health_methods
from service.api.oip.api import open_inference
from service.api.v1.admin import admin
from service.api.v1.feedback import feedback_methods
from service.api.v1.norm_skew import norm_skew
from service.api.v1.sequence_inference import sequence_inference
from service.app.control import shared
from service.app.http_pages import http_pages
from service.app.member import operations, others
from service.core.health import ADMIN, API, FEEDBACK, NORM_SKEW, OPEN_INFERENCE
from service.transport.reflection import REFLECTION, reflection_methods

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from service.api.methods import Method
    from service.app.access import Access
    from service.app.assembly import Base, Parts
    from service.app.control import OwnControl
    from service.app.member import Member
    from service.app.metrics_page import MetricsPage
    from service.core.health import Health
    from service.transport.http.messages import Page


def services(base: Base, parts: Parts, control: OwnControl) -> Mapping[str, Sequence[Method]]:
    """Return the methods of every service of the gRPC port, by the service's name."""
    settings, repository = base.settings, parts.models.repository
    found: dict[str, Sequence[Method]] = {
        API: sequence_inference(parts.serving, parts.comparisons),
        OPEN_INFERENCE: open_inference(parts.oip),
        FEEDBACK: feedback_methods(parts.feedback, repository, parts.skew, others(base.member)),
        ADMIN: admin(operations(parts.models.manager, base.member), shared(control, base.member, settings.log_level)),
        NORM_SKEW: norm_skew(repository, parts.skew, others(base.member)),
        HEALTH: health_methods(base.health),
    }
    reflection = reflection_methods([*found, *REFLECTION])
    return found | dict.fromkeys(REFLECTION, reflection)


def pages(health: Health, page: MetricsPage, member: Member | None, allowed: Access) -> Mapping[str, Page]:
    """Return the pages of the HTTP port, by path; those of one process of several speak for all of them."""
    guard = allowed.http_guards.of("/metrics", METRICS)
    if member is None:
        return http_pages(page, lambda: health.why_not_ready, guard)
    return http_pages(member, lambda: health.why_not_ready or member.why_others, guard)
