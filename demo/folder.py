"""The folder of the demonstration: what lies where, and that nothing of an earlier run is taken for this one's."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from demo.plan import DemoError


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Paths under --out."""

    root: Path

    @property
    def repository(self) -> Path:
        """Exported models."""
        return self.root / "repository"

    @property
    def report_json(self) -> Path:
        """Every figure, for programs."""
        return self.root / "report.json"

    @property
    def report_html(self) -> Path:
        """The same, for people."""
        return self.root / "report.html"

    @property
    def normalisers_svg(self) -> Path:
        """Its first figure, by itself."""
        return self.root / "normalisers.svg"

    @property
    def frames(self) -> Path:
        """A held-out sequence, for whoever wants to ask the models."""
        return self.root / "frames.npy"

    @property
    def server_log(self) -> Path:
        """What the server wrote."""
        return self.root / "server.log"

    @property
    def gathering_log(self) -> Path:
        """What the server wrote that normalisers are compared on."""
        return self.root / "server-gathering.log"

    @property
    def gathering_config(self) -> Path:
        """Its settings."""
        return self.root / "server-gathering.toml"

    def clear(self, names: Collection[str]) -> None:
        """Remove what an earlier demonstration left; raises DemoError rather than remove what is not its own."""
        if self.repository.exists():
            others = sorted(path.name for path in self.repository.iterdir() if path.name not in names)
            if others:
                raise DemoError(f"{self.repository} holds other things ({', '.join(others)}): choose another --out")
            shutil.rmtree(self.repository)
        logs = (self.server_log, self.gathering_log, self.gathering_config)
        for path in (self.report_json, self.report_html, self.normalisers_svg, self.frames, *logs):
            path.unlink(missing_ok=True)
        self.repository.mkdir(parents=True)
