"""The wheel and the images hold what the command line imports: commands run from what the Dockerfile copies, alone."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from models import zoo
from models.data import load
from soloist.cli.main import COMMANDS
from tests.graphs import Sums
from tests.servers import running_server

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = ("soloist", "service", "models", "export", "bench", "simulation", "demo", "claims")
# Nothing of an editable install: without `site` no .pth file is read. What an image lacks can't be imported.
_ALONE = """
import sys
installed, libraries, absent, *sys.argv = sys.argv[1:]
sys.path[:] = [installed, *(path for path in sys.path if path), *libraries.split(":")]

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent.split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""
_COMMAND = "from soloist.cli.main import main\nmain(prog_name='soloist')\n"
# What the extras bring that a server's image does not install.
TRAINING = "torch,onnx,onnxscript,matplotlib,jinja2"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what the stage `builder` copies, build the wheel there, and install it into a folder."""
    folder = tmp_path_factory.mktemp("image")
    _copy(_stage("builder"), folder / "src")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-cache-dir"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder / "wheels"), "."]
    done = subprocess.run(wheel, cwd=folder / "src", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = (folder / "wheels").glob("*.whl")
    install = [*pip, "install", "--no-deps", "--no-index", "--target", str(folder / "installed"), str(built)]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "installed"


def _stage(name: str) -> str:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)
    (found,) = (stage for stage in stages if stage.splitlines()[0].endswith(f" AS {name}"))
    return found


def _with_arguments(stage: str) -> str:
    """Replace the build arguments that a stage declares with their values by default."""
    for name, value in re.findall(r"^ARG (\w+)=(.+)$", DOCKERFILE, flags=re.MULTILINE):
        if re.search(rf"^ARG {name}\b", stage, flags=re.MULTILINE):
            stage = stage.replace(f"${{{name}}}", value)
    return stage


def _copy(stage: str, folder: Path) -> None:
    """Copy what its COPY lines name, as far as .dockerignore lets it through."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    for line in re.findall(r"^COPY (?!--from)(.+)$", stage, flags=re.MULTILINE):
        *sources, target = line.split()
        for source in sources:
            assert source in allowed, f"{source} is hidden by .dockerignore"
            destination = folder / target / source if target == "./" else folder / target
            destination.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, destination, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            else:
                shutil.copy(ROOT / source, destination)


def _run(installed: Path, code: str, *arguments: str | Path, absent: str = "") -> subprocess.CompletedProcess[str]:
    libraries = ":".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    command = [sys.executable, "-S", "-c", _ALONE + code, installed, libraries, absent, "soloist", *arguments]
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=installed, env=variables, capture_output=True, text=True, check=False)


def test_the_wheel_holds_every_file_of_every_package(installed: Path) -> None:
    def held(root: Path) -> set[str]:
        files = (path for package in PACKAGES for path in (root / package).rglob("*") if path.is_file())
        return {str(path.relative_to(root)) for path in files if "__pycache__" not in path.parts}

    assert held(installed) == held(ROOT)


def test_packages_are_those_that_there_are() -> None:
    named = PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    assert sorted(named) == sorted(f"{package}*" for package in PACKAGES)
    assert sorted(PYPROJECT["tool"]["importlinter"]["root_packages"]) == sorted(PACKAGES)


def test_every_command_says_its_help(installed: Path) -> None:
    code = f"""
from click.testing import CliRunner
from soloist.cli.main import main
for command in {COMMANDS!r}:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0, (command, result.output)
import soloist; print(soloist.__file__)
"""
    done = _run(installed, code, absent=f"{TRAINING},rich,hdrh")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(installed / "soloist" / "__init__.py")


def test_every_program_that_a_command_loads_is_there(installed: Path) -> None:
    programs = _programs()
    assert ("simulation.command", "main") in programs
    assert len(programs) >= 10
    code = f"""
import importlib
for module, name in {sorted(programs)!r}:
    found = importlib.import_module(module)
    assert callable(getattr(found, name)), module
    assert found.__file__.startswith({str(installed)!r}), found.__file__
"""
    done = _run(installed, code)
    assert done.returncode == 0, done.stderr


def _loads() -> list[tuple[str, str, str]]:
    """List module, name and extras of every program that a command loads."""
    calls = [
        node
        for path in sorted((ROOT / "soloist" / "cli").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "load"
    ]
    return [_load(call) for call in calls if len(call.args) == 2]


def _load(call: ast.Call) -> tuple[str, str, str]:
    module, name = (ast.literal_eval(argument) for argument in call.args)
    extras = [ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg == "extras"]
    return module, name, "".join(extras)


def _programs() -> set[tuple[str, str]]:
    return {(module, name) for module, name, _ in _loads()}


def test_every_module_that_ours_import_is_there(installed: Path) -> None:
    """Import each; those that are programs run only where they are called."""
    code = f"""
import importlib, warnings
from pathlib import Path
root = Path({str(installed)!r})
for package in {PACKAGES!r}:
    for path in sorted((root / package).rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        # Servers that Soloist is compared with run in environments of their own.
        if not name.endswith("__main__") and not name.startswith("bench.peers.servers."):
            importlib.import_module(name)
"""
    done = _run(installed, code)
    assert done.returncode == 0, done.stderr


def test_data_templates_and_configurations_are_there(installed: Path) -> None:
    code = """
from demo.third_party.catalogue import MODELS
from demo.rendering import _read
from models.data import TASKS, load
assert all(len(load(task).test.sequences) for task in TASKS)
assert all(_read(name) for name in ("report.html.j2", "style.css", "report.schema.json", "monitoring/report.html.j2"))
"""
    done = _run(installed, code)
    assert done.returncode == 0, done.stderr


def test_the_server_image_simulates_and_serves(installed: Path, tmp_path: Path) -> None:
    labels = load("vowels").spec.labels
    sums = Sums(name="sums", features=12, classes=len(labels))
    manifest = sums.manifest
    manifest.labels.extend(labels)
    sums.write(tmp_path / "repository", manifest=manifest)
    libraries = ":".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    program = (sys.executable, "-S", "-c", _ALONE + _COMMAND, str(installed), libraries, TRAINING, "soloist", "serve")
    with running_server(tmp_path / "repository", tmp_path, program=program) as server:
        asked = ("--server", server.grpc, "--model", "sums", "--task", "vowels", "--seconds", "0.3", "--no-labels")
        done = _run(installed, _COMMAND, "simulate", *asked, "--json", absent=TRAINING)
        assert done.returncode == 0, done.stderr
        assert '"refused": {}' in done.stdout
        server.ask_to_stop()
        assert server.exit_code() == 0


@pytest.mark.parametrize(("stage", "extras"), [("server", "redis,simulate"), ("exporter", "export,bench")])
def test_what_an_image_installs_was_built_for_it(stage: str, extras: str) -> None:
    source = re.search(r"from=(\S+),source=/wheels", _stage(stage))
    assert source is not None
    assert f'"soloist[{extras}]"' in _with_arguments(_stage(stage))
    assert f'".[{extras}]"' in _with_arguments(_stage(source[1]))
    assert set(extras.split(",")) <= set(PYPROJECT["project"]["optional-dependencies"])


def test_the_exporter_finds_its_program(installed: Path, tmp_path: Path) -> None:
    _copy(_stage("exporter"), tmp_path / "app")
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'app')!r})\nfrom deploy.export_models import main\nmain()\n"
    done = _run(installed, code, "--help")
    assert done.returncode == 0, done.stderr
    assert "--repository REPOSITORY" in done.stdout


def test_data_sets_are_found_outside_the_interpreters_own_folders(installed: Path, tmp_path: Path) -> None:
    """`pip install --prefix DIR` lays an installation out as --user does: the data are below DIR, not sys.prefix."""
    (built,) = (installed.parent / "wheels").glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-cache-dir", "install"]
    place = ["--no-deps", "--no-index", "--ignore-installed", "--no-warn-script-location", "--prefix", str(tmp_path)]
    done = subprocess.run([*pip, *place, str(built)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (models,) = (path.parent for path in tmp_path.rglob("models/__init__.py"))
    done = _run(models.parent, "from models.data import load; print(len(load('vowels').test.sequences))")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(len(load("vowels").test.sequences))


def test_what_an_image_lacks_is_told_with_the_extra_that_brings_it(installed: Path) -> None:
    """No traceback and no other module: each program loads, or says what to install."""
    absent = f"{TRAINING},rich,hdrh"
    code = f"""
import click, json
from soloist.cli.programs import load
def said(module, name, extras):
    try:
        load(module, name, extras=extras)
    except click.ClickException as error:
        return error.message
    return ""
print(json.dumps([said(*call) for call in {_loads()!r}]))
"""
    done = _run(installed, code, absent=absent)
    assert done.returncode == 0, done.stderr
    for (module, _, extras), said in zip(_loads(), json.loads(done.stdout), strict=True):
        hint = re.fullmatch(r"(\w+) is not installed: pip install 'soloist\[([\w,]+)\]'", said)
        assert (hint is None) == module.startswith("service."), (module, said)  # the base install is all of service/
        if hint is not None:
            assert hint[1] in absent.split(",")
            assert extras in ("", hint[2])
            assert set(hint[2].split(",")) <= set(PYPROJECT["project"]["optional-dependencies"])


def test_the_exporters_models_are_in_the_zoo() -> None:
    command = re.search(r"^CMD (\[.+\])$", _stage("exporter"), flags=re.MULTILINE)
    assert command is not None
    _, _, *names = json.loads(command[1])
    assert set(names) <= set(zoo.names())


def test_compose_builds_stages_that_there_are() -> None:
    targets = re.findall(r"^\s+target: (\S+)$", (ROOT / "docker-compose.yml").read_text(), flags=re.MULTILINE)
    assert sorted(targets) == ["exporter", "server"]
    assert all(_stage(target) for target in targets)
