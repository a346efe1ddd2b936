"""What a server loads: nothing that takes memory and start-up time without being used."""

from __future__ import annotations

import json
import subprocess
import sys

SPARED = {"torch", "onnx", "onnxscript", "matplotlib", "rich", "pygments", "sqlite3", "hdrh", "jinja2", "cryptography"}
SPARED |= {"opentelemetry"}
_PRINT = "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"


def loaded(more: str = "") -> set[str]:
    script = f"import json, sys\nimport soloist.cli.main, service.app.server\n{more}\n{_PRINT}"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout))


def test_a_server_loads_only_what_it_uses() -> None:
    assert loaded() & SPARED == set()


def test_what_a_server_leaves_out_can_be_loaded_later() -> None:
    assert "rich" in loaded("import rich.traceback")
