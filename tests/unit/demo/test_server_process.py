"""A server that cannot start is told as such, and leaves no process behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.plan import DemoError
from demo.server import ServerProcess


def test_a_server_that_does_not_start_fails_and_names_its_log(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    server = ServerProcess(tmp_path / "no-such-folder", log)
    with pytest.raises(DemoError, match=r"server\.log says why"), server:
        pass
    assert server.exit_code != 0
    assert log.read_text()
