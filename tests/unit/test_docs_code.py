"""What pages show can be typed: commands and their options, Python, and the names of files, metrics and settings."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

import soloist
from soloist.cli.main import main
from tests.pages import DOCS, PAGES, READMES, ROOT, blocks, name, quoted

WRITTEN = [page for page in [*READMES, *PAGES, ROOT / "CONTRIBUTING.md"] if page.parent != DOCS / "reference"]
SHELL = ("", "sh")
OBJECTS = {
    "client": (soloist.Client, soloist.AsyncClient),
    "monitor": (soloist.Monitor,),
    "admin": (soloist.Admin,),
    "answer": (soloist.Prediction,),
    "result": (soloist.ChunkResult,),
}
_FOLDERS = "bench|data|demo|deploy|docs|export|models|protos|service|simulation|soloist|tests"


def _shown(page: Path, program: str) -> list[list[str]]:
    """Return the commands that begin with `program`, in blocks and in backticks, split as a shell does."""
    lines = [line for block in blocks(page, *SHELL) for line in block.replace("\\\n", " ").splitlines()]
    parts = [part.strip() for line in [*lines, *quoted(page)] for part in re.split(r" \| |\s# ", line)]
    plain = [part.removeprefix("$ ").removeprefix(".venv/bin/") for part in parts]
    return [shlex.split(re.sub(r"[\[\]<>]", " ", part)) for part in plain if part.startswith(f"{program} ")]


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_commands_of_soloist_exist_with_their_options(page: Path) -> None:
    wrong = [words for words in _shown(page, "soloist") if not _known(main, words[1:])]
    assert wrong == []


def _known(command: click.Command, words: list[str]) -> bool:
    if isinstance(command, click.Group) and words and re.fullmatch(r"[a-z]+(-[a-z]+)*", words[0]):
        child = command.get_command(click.Context(command), words[0])
        return child is not None and _known(child, words[1:])
    parameters = command.get_params(click.Context(command))
    options = {option for each in parameters for option in (*each.opts, *each.secondary_opts)} | {"--help", "-h"}
    return all(word.partition("=")[0] in options for word in words if word.startswith("-") and word != "-")


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_modules_that_are_run_exist_with_their_options(page: Path) -> None:
    assert [words for words in _shown(page, "python -m") if not _runs(words[2], words[3:])] == []


def _runs(module: str, words: list[str]) -> bool:
    place = ROOT.joinpath(*module.split("."))
    is_package = (place / "__main__.py").is_file()
    files = list(place.rglob("*.py")) if is_package else [place.with_suffix(".py")]
    if not all(file.is_file() for file in files):
        return False
    source = "".join(file.read_text() for file in files)
    if "@repository_option" in source:  # an option that several share
        source += (ROOT / "bench" / "small_model.py").read_text()
    return all(f'"{word}' in source for word in words if word.startswith("--") and word != "--help")


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_targets_of_make_exist(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert [words for words in _shown(page, "make") if not set(words[1:2]) <= targets] == []


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_python_uses_what_the_client_has(page: Path) -> None:
    for block in blocks(page, "python"):
        if "tritonclient" in block:  # its client is another one
            continue
        tree = compile(block, name(page), "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        assert [problem for node in ast.walk(tree) for problem in _problems(node)] == []


def _problems(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom) and node.module == "soloist":
        return [each.name for each in node.names if not hasattr(soloist, each.name)]
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in OBJECTS:
        return [] if any(_has(each, node.attr) for each in OBJECTS[node.value.id]) else [ast.unparse(node)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        owners = OBJECTS.get(node.func.value.id, ())
        methods = [getattr(each, node.func.attr) for each in owners if hasattr(each, node.func.attr)]
        known = {parameter for method in methods for parameter in inspect.signature(method).parameters}
        return [str(each.arg) for each in node.keywords if methods and each.arg not in known]
    return []


def _has(kind: type, attribute: str) -> bool:
    return hasattr(kind, attribute) or attribute in getattr(kind, "__dataclass_fields__", {})


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_files_that_are_named_exist(page: Path) -> None:
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True, capture_output=True)
    paths = [f"/{path}" for path in tracked.stdout.splitlines()]
    names = [text for text in quoted(page) if re.fullmatch(rf"(?:(?:{_FOLDERS})/[\w./-]+|[\w/]+\.py)", text)]
    assert [text for text in names if not any(f"/{text}" in path for path in paths)] == []


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_metrics_that_are_named_exist(page: Path) -> None:
    reference = (DOCS / "reference" / "metrics.md").read_text()
    named = set(re.findall(r"\bsoloist_[a-z_]+[a-z]\b", " ".join(quoted(page))))
    assert sorted(metric for metric in named if not re.search(rf"\b{metric}\b", reference)) == []


@pytest.mark.parametrize("page", ["limits.md", "live-check.md"])
def test_settings_in_tables_exist(page: str) -> None:
    reference = (DOCS / "reference" / "settings.md").read_text()
    cells = re.findall(r"^\| (`[^|]+`) \| [^|]+ \|", (DOCS / page).read_text(), flags=re.MULTILINE)
    named = {setting for cell in cells for setting in re.findall(r"`([a-z]+_[a-z_]+)`", cell)}
    assert named
    assert sorted(setting for setting in named if f"`{setting}`" not in reference) == []
