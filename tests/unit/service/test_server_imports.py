"""What a server loads: nothing that takes memory and start-up time without being used."""

from __future__ import annotations

import json
import subprocess
import sys

SPARED = {"torch", "onnx", "onnxscript", "matplotlib", "rich", "pygments", "sqlite3", "hdrh", "jinja2", "cryptography"}
SPARED |= {"opentelemetry", "redis"}
# What only servers with a sequence store use.
SPARED_ROOMS = {"service.store", "service.serving.sequence_records", "service.api.oip.stored_sequences"}
_PRINT = "print(json.dumps(sorted(sys.modules)))"


def loaded(more: str = "") -> set[str]:
    """Return packages by name, and their modules by full name."""
    script = f"import json, sys\nimport soloist.cli.main, service.app.server\n{more}\n{_PRINT}"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    names = set(json.loads(done.stdout))
    return names | {name.partition(".")[0] for name in names}


def test_a_server_loads_only_what_it_uses() -> None:
    assert loaded() & (SPARED | SPARED_ROOMS) == set()


def test_what_a_server_leaves_out_can_be_loaded_later() -> None:
    assert "rich" in loaded("import rich.traceback")
