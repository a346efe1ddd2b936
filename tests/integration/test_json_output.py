"""`--json` of a real server's answers is JSON also where outputs, confidence or thresholds are not finite."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from soloist.cli.main import main
from tests.graphs import Sums
from tests.servers import RunningServer, running_server


@pytest.fixture(scope="module")
def infinite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Serve a model whose outputs overflow: 1e38 times what it is sent."""
    folder = tmp_path_factory.mktemp("infinite")
    manifest = Sums(name="sums", gain=1e38).manifest
    manifest.labels.extend(["left", "right"])
    Sums(name="sums", gain=1e38).write(folder / "repository", manifest=manifest)
    with running_server(folder / "repository", folder, prediction_log=folder / "log.db") as server:
        yield server


@pytest.mark.parametrize("frames", ["1e3,1\n", "1e3,-1e3\n", "0,0\n1e3,1e3\n", "nan,1\n"])
@pytest.mark.parametrize(
    "command",
    [
        ("predict", "sums"),
        ("predict", "sums", "--every-frame"),
        ("stream", "sums"),
        ("compare", "sums", "--neighbours", "1", "--scales", "1"),
    ],
    ids=" ".join,
)
def test_answers(infinite: RunningServer, command: tuple[str, ...], frames: str) -> None:
    _objects(infinite, *command, frames=frames)


@pytest.mark.parametrize("command", [("models",), ("accuracy", "sums"), ("skew", "sums")], ids=" ".join)
def test_what_is_told_of_models(infinite: RunningServer, command: tuple[str, ...]) -> None:
    assert _objects(infinite, *command) or command[0] == "accuracy"


def test_what_overflows_is_null(infinite: RunningServer) -> None:
    (answer,) = _objects(infinite, "predict", "sums", frames="1e3,1\n")
    assert answer["outputs"][0] is None
    assert answer["outputs"][1] == pytest.approx(1e38)


def _objects(server: RunningServer, *command: str, frames: str = "") -> list[Any]:
    done = CliRunner().invoke(main, [*command, "--json", "--server", server.grpc], input=frames)
    if done.exit_code == 1 and done.stderr.startswith("soloist: "):
        return [done.stderr]  # refused, in words
    assert done.exit_code == 0, done.output
    return [json.loads(line, parse_constant=pytest.fail) for line in done.stdout.splitlines()]
