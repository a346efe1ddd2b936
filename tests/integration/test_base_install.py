"""A server needs the base install only: it runs where everything else can't be imported, and never tries to."""

from __future__ import annotations

import sys
from pathlib import Path

from soloist import Client
from tests.graphs import Sums
from tests.servers import eventually, running_server

_PROGRAM = """
import sys

FORBIDDEN = {"torch", "onnx", "onnxscript", "rich", "matplotlib", "jinja2", "hdrh", "models", "export", "bench", "demo"}


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            if name != "rich":
                sys.stderr.write(f"tried: {name}\\n")
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Absent())
from soloist.cli.main import main

main(prog_name="soloist")
"""


def test_a_server_runs_from_a_base_install_and_imports_nothing_else(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    Sums(name="broken").write(tmp_path / "repository").write_bytes(b"")
    program = (sys.executable, "-c", _PROGRAM, "serve")
    with running_server(tmp_path / "repository", tmp_path, program=program) as server:
        with Client(server.grpc) as client:
            assert client.predict("sums", [[1.0, 2.0], [3.0, 4.0]]).outputs.tolist() == [4.0, 6.0]
            with client.stream("sums") as stream:
                assert stream.send([[1.0, 2.0]]).outputs.tolist() == [1.0, 2.0]
            assert len(client.models()) == 2
            assert client.ready("sums")
        assert eventually(lambda: server.total("soloist_sessions_open") == 0)
        server.ask_to_stop()
        assert server.exit_code() == 0
    assert "tried: " not in server.stderr.read_text()
