"""A server that cannot start is told as such, and leaves no process behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.server.process import ServerError, serving


def test_a_server_that_does_not_start_fails_and_names_its_log(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with (
        pytest.raises(ServerError, match=r"exit code [1-9]\d*\); .*server\.log says why"),
        serving(tmp_path / "no-such-folder", {}, log=log),
    ):
        pass
    assert log.read_text()
