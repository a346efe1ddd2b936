"""Owns a repository on disk whose files are words instead of models, and the parts that follow it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from service.app.model_repository import Polling
from service.engine.model_file import ModelFileError
from service.loading.servable import Servable
from service.repository import Entry, Repository, RepositoryManager
from service.repository.layout import Location
from service.repository.loading_threads import Threads
from service.repository.model_folder import in_words
from service.repository.refcounts import Refcounts
from soloist.v1 import sequence_inference_pb2 as pb
from tests.servables import GatedRunner, servable

BAD = "bad"


class Shop:
    """A file that says BAD fails to be loaded; the others load when `gate` is open."""

    def __init__(self, folder: Path, *, policy: str = "latest:1", load_seconds: float = 30) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.refcounts = Refcounts()
        self.gate = threading.Event()
        self.gate.set()
        self.loads: list[int] = []
        self.gone: list[Servable] = []
        self.failed: list[Exception] = []
        self.changes: list[tuple[int, str]] = []
        self.place = 0.0
        self._changed = asyncio.Event()
        self.repository = Repository(
            self._load, self._note, refcounts=self.refcounts, on_gone=self.gone.append, draw=lambda: self.place
        )
        self.manager = RepositoryManager(
            folder,
            self.repository,
            in_words(policy),
            loads=Threads("loader", at_once=2, seconds=load_seconds),
            looks=Threads("looker", at_once=2, seconds=30),
        )
        self.polling = Polling(self.manager, self.failed.append)

    def write(self, version: int, text: str = "good", *, name: str = "m") -> Path:
        """Put a version into the repository, by rename as exporters do."""
        model = self.folder / name
        hidden = model / f".{version}.new"
        hidden.mkdir(parents=True)
        (hidden / "model.onnx").write_text(text)
        return hidden.rename(model / str(version)) / "model.onnx"

    def configure(self, text: str, *, name: str = "m") -> None:
        """Write a config.pbtxt."""
        (self.folder / name).mkdir(exist_ok=True)
        (self.folder / name / "config.pbtxt").write_text(text)

    def states(self, name: str = "m") -> dict[int, str]:
        """Tell the state of every version."""
        return {entry.version: _word(entry) for entry in self.repository.entries(name)}

    async def until(self, states: dict[int, str]) -> None:
        """Wait until the states are these."""
        while self.states() != states:
            self._changed.clear()
            await self._changed.wait()

    def cause(self, version: int) -> str:
        """Tell what is said of a version."""
        return self.repository.find("m", version).cause

    def answers(self, version: int = 0, label: str = "", *, key: str = "") -> int:
        """Tell which version a new sequence would run on."""
        return self.repository.route("m", version, label, key=key).version

    def _load(self, location: Location) -> Servable:
        assert self.gate.wait(timeout=30)
        self.loads.append(location.version)
        if not location.path.is_file() or location.path.read_text() == BAD:
            raise ModelFileError("it is bad")
        return servable(GatedRunner(), name=location.name, version=location.version)

    def _note(self, entry: Entry) -> None:
        self.changes.append((entry.version, _word(entry)))
        self._changed.set()


def _word(entry: Entry) -> str:
    return pb.ModelState.Name(entry.state).removeprefix("MODEL_STATE_").lower()
