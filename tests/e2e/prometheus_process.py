"""A real Prometheus of tests, on a free port, with a checked-in configuration but for the target's address."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "prometheus"
DEADLINE_SECONDS = 60


def until(lines: Iterable[str], text: str) -> Iterator[str]:
    """Yield lines up to the first that holds `text`, or to the end."""
    for line in lines:
        yield line
        if text in line:
            return


@dataclass(frozen=True, kw_only=True)
class Prometheus:
    """Prometheus's HTTP interface."""

    address: str

    def get(self, path: str, **parameters: str) -> Any:
        """Return `data` of an answer; an expression that Prometheus refuses fails the test with what it says."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as response:  # our own process
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def query(self, expression: str) -> list[float]:
        """Values of the series that an instant query gives."""
        return [float(sample["value"][1]) for sample in self.get("query", query=expression)["result"]]

    def wait_for(self, what: str, holds: Callable[[], bool]) -> None:
        """Ask until `holds` says so; a deadline ends it."""
        pause = threading.Event()
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not holds():
            assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS} s: {what}"
            pause.wait(0.2)


def program_or_skip() -> str:
    found = shutil.which("prometheus")
    if found is None and not os.environ.get("CI"):
        pytest.skip("prometheus is not installed (Debian package prometheus; deploy/install-tools.sh)")
    assert found is not None, "prometheus has to be installed under CI: deploy/install-tools.sh"
    return found


@contextmanager
def running_prometheus(
    program: str, file: str, target: str, folder: Path, replaced: Mapping[str, str] | None = None
) -> Iterator[Prometheus]:
    """Run it until the block ends; `replaced` are more texts of its configuration."""
    shutil.copytree(CONFIGURATION, folder / "config")
    config = folder / "config" / file
    text = config.read_text()
    for before, after in {'"server:8002"': f'"{target}"', **(replaced or {})}.items():
        assert before in text
        text = text.replace(before, after)
    config.write_text(text)
    with prometheus_of(program, config, folder) as prometheus:
        yield prometheus


@contextmanager
def prometheus_of(program: str, config: Path, folder: Path) -> Iterator[Prometheus]:
    """Run it with a configuration until the block ends."""
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    command += ["--web.listen-address=127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            started = "".join(until(process.stderr, "ready to receive web requests"))
            address = re.search(r"address=(127\.0\.0\.1:[1-9]\d*)", started)
            assert address is not None, started
            # Read what it goes on to say, or it would block on a full pipe.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield Prometheus(address=address[1])
        finally:
            process.terminate()
            process.wait(timeout=30)
