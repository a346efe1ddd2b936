"""What the operator reads in the log when a version is loaded."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from structlog.testing import capture_logs

from service.repository.layout import Location
from service.repository.loading_threads import Threads, loaded
from tests.servables import GatedRunner, servable


async def test_a_version_without_its_probe_serves_and_the_log_says_so(tmp_path: Path) -> None:
    version = dataclasses.replace(servable(GatedRunner()), probe_fault="probe.onnx: No such file or directory")
    threads = Threads("loader", at_once=1, seconds=30)
    with capture_logs() as logs:
        found, fault = await loaded(lambda _: version, Location(name="gated", version=1, path=tmp_path), threads)
    assert (found, fault) == (version, "")
    (warning,) = (entry for entry in logs if entry["log_level"] == "warning")
    assert warning["cause"] == version.probe_fault
