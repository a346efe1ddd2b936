"""The pages of the HTTP port that aren't calls: metrics, and health for probes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from service.core.errors import ServiceError
from service.transport.boundary import to_grpc_status
from service.transport.guards import Guard
from service.transport.http.calls import HttpCaller
from service.transport.http.messages import Page, Request, Response, text
from service.transport.http.statuses import as_json, failed


class Metrics(Protocol):
    """What has the page of /metrics: that of this process, or of all processes of the server."""

    async def fetch(self, accept: str, accept_encoding: str, query: str) -> tuple[Mapping[str, str], bytes]:
        """Return headers and bytes of the page, for these headers and this query of a request."""


def http_pages(
    metrics: Metrics, why_not_ready: Callable[[], str], metrics_guard: Guard | None = None
) -> Mapping[str, Page]:
    """Return the pages by path.

    Args:
        metrics: has the page of /metrics.
        why_not_ready: returns why calls would be refused, for /readyz; empty if they would not.
        metrics_guard: refuses those who may not read /metrics. Health is for everybody: probes have no tokens.

    """

    async def healthz(_request: Request) -> Response:
        return text(200, "alive")

    async def readyz(_request: Request) -> Response:
        reason = why_not_ready()
        return text(503, reason) if reason else text(200, "ready")

    async def live(_request: Request) -> Response:
        return as_json(200, {"live": True})

    async def ready(_request: Request) -> Response:
        # In the Open Inference Protocol the status is the answer, and 4xx means no.
        reason = why_not_ready()
        return as_json(400, {"ready": False, "error": reason}) if reason else as_json(200, {"ready": True})

    async def page(request: Request) -> Response:
        if metrics_guard is not None:
            try:
                metrics_guard(HttpCaller(request))
            except ServiceError as error:
                return failed(to_grpc_status(error))
        headers, body = await metrics.fetch(
            request.headers.get("accept", ""), request.headers.get("accept-encoding", ""), request.query
        )
        return Response(status=200, headers=headers, body=(body,))

    return {
        "/metrics": page,
        "/healthz": healthz,
        "/readyz": readyz,
        "/v2/health/live": live,
        "/v2/health/ready": ready,
    }
