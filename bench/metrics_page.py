"""Reads the metrics page of a server."""

from __future__ import annotations

import urllib.request

from soloist.client.channel import is_local


def read_metrics(http: str) -> str:
    """Return the page of the server at `http` (host:port); of one on this machine past any proxy."""
    past = [urllib.request.ProxyHandler({})] if is_local(http) else []
    opener = urllib.request.build_opener(*past)
    with opener.open(f"http://{http}/metrics", timeout=10) as response:
        page: str = response.read().decode()
    return page
