"""Nothing is written but where the operator said: a home folder, a working folder and /tmp stay empty."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from soloist import Client
from tests.graphs import Sums
from tests.servers import running_server

ROOT = Path(__file__).parents[2]
SOLOIST = (sys.executable, "-m", "soloist.cli.main")


@dataclass(frozen=True)
class Fresh:
    """The environment of a user who has just arrived: no caches, no choices, not under CI (where ORT sends nothing)."""

    folder: Path
    choices: dict[str, str]

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(self.folder / "home")}
        variables |= {"TMPDIR": str(self.folder / "tmp")} | self.choices
        return subprocess.run(
            command, cwd=self.folder / "cwd", env=variables, capture_output=True, text=True, check=False
        )

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        done = self.run(sys.executable, "-c", code)
        assert done.returncode == 0, done.stderr
        return done

    def left(self) -> list[str]:
        return sorted(
            str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.parent != self.folder
        )


@pytest.fixture
def fresh(tmp_path: Path) -> Fresh:
    for name in ("home", "tmp", "cwd"):
        (tmp_path / "fresh" / name).mkdir(parents=True)
    return Fresh(tmp_path / "fresh", {})


def test_onnx_runtime_by_itself_writes_there(fresh: Fresh) -> None:
    """Show that the tests below see it."""
    fresh.python("import onnxruntime")
    assert fresh.left()


@pytest.mark.parametrize("choice", [None, "", "1", "ture", "0"])
def test_telemetry_is_on_only_for_who_asks_for_it(fresh: Fresh, choice: str | None) -> None:
    if choice is not None:
        fresh.choices["ORT_DISABLE_TELEMETRY"] = choice
    fresh.python("from service.loading.servable import load_servable")
    assert bool(fresh.left()) == (choice == "0")


@pytest.mark.parametrize(
    "code",
    [
        "import export",
        "import export.quantise.dynamic",
        "import export.lint.report",
        "import demo.third_party.reference_loops",
        "import service.observers.live_check.replay_command",
        "from bench.figures import svg; svg(lambda panels: panels[0].set_title('x'), panels=1)",
    ],
)
def test_a_program_that_imports_ours(fresh: Fresh, code: str) -> None:
    fresh.python(code)
    assert fresh.left() == []


def test_a_server_that_answers_and_stops(fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    for name in set(os.environ) - {"PATH"}:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(fresh.folder / "home"))
    monkeypatch.setenv("TMPDIR", str(fresh.folder / "tmp"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(fresh.folder / "cwd")
    with running_server(tmp_path / "repository", tmp_path) as server:
        with Client(server.grpc) as client:
            client.predict("sums", [[1.0, 2.0]])
        np.save(tmp_path / "frames.npy", np.ones((2, 2), np.float32))
        plot = tmp_path / "plot.svg"
        asked = ("compare", "sums", tmp_path / "frames.npy", "--server", server.grpc, "--plot", plot)
        assert (done := fresh.run(*SOLOIST, *asked)).returncode == 0, done.stderr
        assert plot.exists()
        server.ask_to_stop()
        assert server.exit_code() == 0
    assert fresh.left() == []


def test_train_and_export(fresh: Fresh, tmp_path: Path) -> None:
    checkpoint, repository = tmp_path / "c.ckpt", tmp_path / "repository"
    named = ("--task", "vowels", "--architecture", "tcn", "--epochs", "1", "--out", checkpoint)
    for command in (
        ("train", *named),
        ("export", checkpoint, "--repository", repository),
    ):
        assert (done := fresh.run(*SOLOIST, *command)).returncode == 0, done.stderr
        assert fresh.left() == []


def test_lint_and_certify(fresh: Fresh, tmp_path: Path) -> None:
    model = Sums(name="sums").write(tmp_path / "repository")
    assert (done := fresh.run(*SOLOIST, "lint", model)).returncode in (0, 1), done.stderr
    assert (done := fresh.run(*SOLOIST, "certify", model, "--minutes", "0.01")).returncode in (0, 1), done.stderr
    assert fresh.left() == []


def test_only_one_module_imports_it() -> None:
    """The contract of pyproject.toml looks at packages; this at tests, scripts and whatever else is Python here."""
    # The last runs in environments where there is no `service`, beside Soloist in one measurement.
    allowed = {"service/engine/onnx_runtime.py", "export/quantise/dynamic.py", "bench/peers/servers/model.py"}
    files = [
        path for path in ROOT.glob("*/**/*.py") if path.relative_to(ROOT).parts[0] not in {".venv", "build", "out"}
    ]
    found = {str(path.relative_to(ROOT)) for path in files if _imports(path, "onnxruntime")}
    assert len(files) > 500
    assert found <= allowed


def _imports(path: Path, package: str) -> bool:
    tree = ast.parse(path.read_text())
    typing_only = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    names = [
        name.partition(".")[0]
        for node in ast.walk(tree)
        if node not in typing_only
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    ]
    return package in names
