"""One run over files: a server whose repository gets a broken version after the other, and what comes of each."""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from bench.fuzz.file_mutations import mutate
from bench.fuzz.run import fuzzed_server
from bench.fuzz.server_health import faults_at_the_end, resident_mebibytes
from bench.server.process import ServerError, ServerProcess
from soloist import Admin, Client, ModelState, SoloistError

_LOAD_SECONDS = 10
_SETTINGS = {"load_timeout_seconds": str(_LOAD_SECONDS), "max_load_bytes": str(2**30), "certify_seconds": "0"}
# As long as a load may take, and the wait for one before it.
_HANG_SECONDS = 3.0 * _LOAD_SECONDS
_ANSWER_SECONDS = 5.0
_PATIENCE_SECONDS = 60.0
_UNEXPECTED = "internal error"
_CRASHED = "a trial load of it"
_VARYING = re.compile(r"'[^']*'|\"[^\"]*\"|\d+|0x\w+")


@dataclass(frozen=True, kw_only=True)
class FilePlan:
    """How many versions are broken, and how many are loaded at once. `repository` has those that are broken."""

    repository: Path
    inputs: int
    seed: int
    concurrency: int
    out: Path
    transport: str


@dataclass(kw_only=True)
class FileResult:
    """What came of it: versions by outcome, those that did harm, and the server's own faults. Memory in MiB."""

    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    harm: list[str] = field(default_factory=list)
    memory_before: float = 0.0
    memory_after: float = 0.0

    @property
    def is_clean(self) -> bool:
        """Return whether no file did harm."""
        return not self.harm


def run_files(plan: FilePlan, on_progress: Callable[[int, int], None]) -> FileResult:
    """Load all versions; `on_progress` hears how many were tried, and how many did harm.

    Raises:
        ServerError: the server didn't start, or the repository has no model that can be broken.

    """
    sources = sorted(path.parent for path in plan.repository.glob("*/[1-9]*/model.onnx"))
    if not sources:
        raise ServerError(f"{plan.repository}: it has no <model>/<version>/model.onnx")
    log = plan.out / "server.log"
    result = FileResult()
    with TemporaryDirectory() as folder:
        served = Path(folder) / "repository"
        with fuzzed_server(served, plan.repository, plan.transport, log, _SETTINGS) as server:
            _try_all(plan, sources, Path(folder), server, result, on_progress)
            result.harm += faults_at_the_end(server, log, patience_seconds=_PATIENCE_SECONDS)
            result.memory_after = resident_mebibytes(server)
    return result


def _try_all(
    plan: FilePlan,
    sources: list[Path],
    folder: Path,
    server: ServerProcess,
    result: FileResult,
    on_progress: Callable[[int, int], None],
) -> None:
    result.memory_before, began = resident_mebibytes(server), time.monotonic()
    loads = _Loads(plan, sources, folder, server.grpc, result)
    with ThreadPoolExecutor(plan.concurrency) as threads:
        for number, _ in enumerate(threads.map(loads.try_one, range(plan.inputs)), 1):
            on_progress(number, len(result.harm))
    result.seconds = time.monotonic() - began


class _Loads:
    """Breaks a version, has it loaded, asks another model meanwhile, and takes it away again."""

    def __init__(self, plan: FilePlan, sources: list[Path], folder: Path, target: str, result: FileResult) -> None:
        self._plan, self._sources = plan, sources
        self._served, self._aside = folder / "repository", folder / "aside"
        self._target, self._result = target, result

    def try_one(self, number: int) -> None:
        rng = Random(self._plan.seed << 40 | number)
        source = rng.choice(self._sources)
        name = f"fuzz-{number}"
        model = self._aside / name
        shutil.copytree(
            source.parent, model, ignore=lambda _folder, names: [each for each in names if each.isdecimal()]
        )
        shutil.copytree(source, model / "1")
        changed = mutate(model / "1", rng)
        shutil.copytree(model, self._served / name)
        began = time.monotonic()
        outcome, cause = self._load(name)
        seconds = time.monotonic() - began
        self._result.outcomes[f"{changed}: {outcome}"] += 1
        self._result.causes[_VARYING.sub("…", cause)[:100]] += bool(cause)
        fault = self._fault(outcome, cause, seconds)
        if fault:
            kept = self._plan.out / name
            shutil.copytree(model, kept, dirs_exist_ok=True)
            self._result.harm.append(f"{source.parent.name}, {changed}: {fault}: {cause[:300]} (kept in {kept})")
        shutil.rmtree(model)
        shutil.rmtree(self._served / name)

    def _load(self, name: str) -> tuple[str, str]:
        try:
            with Admin(self._target, timeout_seconds=_HANG_SECONDS) as admin:
                admin.load(name)
                admin.unload(name)
        except SoloistError as error:
            crashed = _CRASHED in str(error) and "crashed" in str(error)
            return "crash of the trial" if crashed else error.reason or error.code.name, str(error)
        return "loaded", ""

    def _fault(self, outcome: str, cause: str, seconds: float) -> str:
        if outcome in ("INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED", "UNAVAILABLE") or _UNEXPECTED in cause:
            return f"its load ended as {outcome}"
        if seconds > _HANG_SECONDS:
            return f"its load took {seconds:.0f} s"
        try:
            with Client(self._target, timeout_seconds=_ANSWER_SECONDS) as client:
                ready = any(each.state is ModelState.READY for each in client.models())
        except SoloistError as error:
            return f"the server answered no call meanwhile: {error}"
        return "" if ready else "no model is ready any more"
