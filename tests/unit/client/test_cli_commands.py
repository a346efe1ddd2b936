"""The commands that run the other packages: what they pass on, and what they say when an extra is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from click.testing import CliRunner

from soloist.cli.main import COMMANDS, main
from soloist.cli.programs import load


class Recorder:
    """Stands for the function of another package; keeps what it was called with."""

    def __init__(self, answer: Any = None) -> None:
        self.arguments: tuple[Any, ...] = ()
        self.keywords: dict[str, Any] = {}
        self._answer = answer

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        self.arguments, self.keywords = arguments, keywords
        return self._answer


def install(monkeypatch: pytest.MonkeyPatch, module: str, function: str, answer: Any = None) -> Recorder:
    """Put a module of one function in the place of a real one."""
    recorder, fake = Recorder(answer), ModuleType(module)
    setattr(fake, function, recorder)
    monkeypatch.setitem(sys.modules, module, fake)
    return recorder


def test_serve_passes_on_only_what_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    served = install(monkeypatch, "service.app.main", "main")
    command = ["serve", "--repository", "models", "--grpc-port", "0", "--drain-seconds", "1.5", "--log-format", "json"]
    assert CliRunner().invoke(main, command).exit_code == 0
    assert served.arguments == (
        {"repository": "models", "grpc_port": "0", "drain_seconds": "1.5", "log_format": "json"},
    )


@pytest.mark.parametrize("answer", [0, 1])
def test_the_exit_code_is_the_programs(monkeypatch: pytest.MonkeyPatch, answer: int, tmp_path: Path) -> None:
    demo = install(monkeypatch, "demo.run", "main", answer)
    assert CliRunner().invoke(main, ["demo", "--out", str(tmp_path)]).exit_code == answer
    assert demo.arguments == (tmp_path,)


def test_train_passes_everything_on(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = install(monkeypatch, "models.training", "run")
    command = ["train", "--task", "vowels", "--architecture", "tcn", "--norm", "batch", "--seed", "3", "--out", "c.pt"]
    assert CliRunner().invoke(main, command).exit_code == 0
    assert trained.keywords == {
        "task": "vowels",
        "architecture": "tcn",
        "norm": "batch",
        "seed": 3,
        "out": Path("c.pt"),
        "epochs": None,
    }


def test_export_passes_everything_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    exported = install(monkeypatch, "export.run", "run")
    checkpoint = tmp_path / "c.pt"
    checkpoint.touch()
    assert CliRunner().invoke(main, ["export", str(checkpoint), "--repository", "models"]).exit_code == 0
    assert exported.arguments == (checkpoint, Path("models"), None)


@pytest.mark.parametrize(
    ("missing", "extras", "words"),
    [("torch", "export", "soloist[export]"), ("matplotlib", "", "soloist[bench]")],
)
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, missing: str, extras: str, words: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)  # importing it now fails as if it were not installed
    with pytest.raises(click.ClickException, match="pip install") as caught:
        load(missing, "anything", extras=extras)
    assert words in caught.value.message
    assert caught.value.exit_code == 1


def test_a_slip_of_our_own_is_not_hidden() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        load("no_such_module", "main")


def test_every_command_has_help() -> None:
    for name in COMMANDS:
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0
        assert "Usage:" in result.stdout


def _leaves(command: click.Command, words: str) -> list[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        return [(words, command)]
    context = click.Context(command)
    children = {name: command.get_command(context, name) for name in command.list_commands(context)}
    return [leaf for name, child in children.items() if child for leaf in _leaves(child, f"{words} {name}")]


def test_every_command_that_calls_a_server_finds_it_and_connects_in_the_same_ways() -> None:
    expected = {"--tls", "--tls-ca", "--tls-cert", "--tls-key", "--token-file", "--token-over-plaintext"}
    calling = 0
    for words, command in _leaves(main, "soloist"):
        options = {option: each for each in command.params for option in each.opts}
        if options.keys() & {"--server", "--target"}:
            calling += 1
            assert expected - set(options) == set(), words
        if "--server" in options:
            assert options["--server"].envvar == "SOLOIST_SERVER", words
    assert calling > 15


def test_recalibrate_asks_the_server_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "export.recalibrate.run", fake := ModuleType("export.recalibrate.run"))
    monkeypatch.setattr(fake, "run", lambda *, sampled, **_rest: sampled(1), raising=False)
    (sample := tmp_path / "sample.npz").touch()
    given = ["recalibrate", "m", "--checkpoint", sample, "--repository", tmp_path, "--pseudo-count", 1]
    command = [str(each) for each in given]
    nobody = {"SOLOIST_SERVER": "localhost:1"}
    asked = CliRunner().invoke(main, command, env=nobody)
    assert "(localhost:1)" in str(asked.exception)
    read = CliRunner().invoke(main, [*command, "--sequences", str(sample)], env=nobody)
    assert "localhost" not in str(read.exception)
    both = CliRunner().invoke(main, [*command, "--sequences", str(sample), "--server", "localhost:2"])
    assert both.exit_code == 2
    assert "exclude each other" in both.output


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout.startswith("soloist 0.")


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        ("--help", {"grpc", "numpy", "soloist.client", "torch", "service", "pydantic", "pydantic_settings"}),
        ("predict --help", {"grpc", "numpy", "torch", "onnxruntime", "service", "pydantic", "pydantic_settings"}),
        ("serve --help", {"torch", "onnx", "models", "export", "grpc", "onnxruntime"}),
    ],
)
def test_a_command_loads_only_what_it_needs(command: str, absent: set[str]) -> None:
    program = (
        "import sys; from soloist.cli.main import main; main(sys.argv[1:], standalone_mode=False);"
        "print(','.join(sorted(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, *command.split()], capture_output=True, text=True, check=True
    )
    assert not absent & set(result.stdout.splitlines()[-1].split(","))


def test_the_client_loads_nothing_else_of_ours() -> None:
    program = "import sys; from soloist import Client; print(','.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in result.stdout.strip().split(",")}
    assert "soloist" in loaded
    assert not loaded & {"service", "models", "export", "bench", "demo", "torch", "onnx", "onnxruntime"}
