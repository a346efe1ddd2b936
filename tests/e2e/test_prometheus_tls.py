"""A real Prometheus scrapes the HTTPS port as docs/tls.md says: authority, certificate of its own, and a token."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.e2e.prometheus_process import program_or_skip, prometheus_of
from tests.graphs import Sums
from tests.integration.tokens import token_of, write_tokens
from tests.servers import running_server

PAGE = (Path(__file__).parents[2] / "docs" / "tls.md").read_text()
GLOBAL = "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"


def snippet() -> str:
    """Return the configuration of the page, as it stands there."""
    (found,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", PAGE, re.DOTALL)
    return str(found)


def written(folder: Path, authority: trustme.CA) -> dict[str, Any]:
    """Write the files of a server and of Prometheus, and return the server's settings."""
    for name, host in (("server", "localhost"), ("prometheus", "prometheus")):
        issued = authority.issue_cert(host)
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    (folder / "prometheus.token").write_text(token_of("watch") + "\n")
    return {
        "http_tls_certificate": folder / "server.pem",
        "http_tls_key": folder / "server.key",
        "http_tls_client_ca": folder / "ca.pem",
        "tokens_file": write_tokens(folder / "tokens.toml", {"watch": ["monitor"], "one": ["infer"]}),
    }


@pytest.mark.parametrize("client", ["watch", "one"])
def test_as_the_page_says(tmp_path: Path, client: str) -> None:
    program, settings = program_or_skip(), written(tmp_path, trustme.CA())
    (tmp_path / "prometheus.token").write_text(token_of(client) + "\n")
    Sums(name="sums").write(tmp_path / "repository")
    with running_server(tmp_path / "repository", tmp_path, **settings) as server:
        port = server.http.rpartition(":")[2]
        text = snippet().replace("/etc/prometheus/tls", str(tmp_path)).replace("server:8002", f"localhost:{port}")
        config = tmp_path / "prometheus.yml"
        config.write_text(GLOBAL + text)
        with prometheus_of(program, config, tmp_path) as prometheus:
            prometheus.wait_for("a scrape", lambda: bool(prometheus.query("up")))
            if client == "watch":
                prometheus.wait_for("metrics", lambda: bool(prometheus.query("soloist_certificate_reloads_total")))
                assert prometheus.query("up") == [1.0]
            else:  # who may infer may not read figures
                (target,) = prometheus.get("targets")["activeTargets"]
                assert (prometheus.query("up"), "403" in target["lastError"]) == ([0.0], True)
