"""A program that starts others, from beginning to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

from tests.artifacts import ROOT
from tests.exporter import SHARING

# Longer than a test may take as a rule: on a busy machine a demonstration needs most of that.
TIMEOUT_SECONDS = 900


def run_to_end(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments; what the program has started ends with it, also where the test is cut short."""
    command = [sys.executable, *arguments]
    output = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=output, stderr=output, text=True, cwd=ROOT, env=os.environ | SHARING, start_new_session=True
    ) as process:
        try:
            stdout, stderr = process.communicate()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
