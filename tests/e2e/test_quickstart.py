"""The pages for beginners do what they say: their blocks run in order, in an empty folder, against a real server."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.servers import environment, running_server

DOCS = Path(__file__).parents[2] / "docs"
SERVE = "soloist serve --repository repository --enable admin"
# Where pages say that the server listens; here it takes a free port.
ADDRESS = "localhost:8001"
_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of code: its language, the file to save it as (or none), and its text."""

    language: str
    title: str
    text: str


def test_the_pages_for_beginners_run(tmp_path: Path) -> None:
    steps = blocks("quickstart-onnx.md")
    serve = next(index for index, block in enumerate(steps) if block.text.strip() == SERVE)
    follow(steps[:serve], tmp_path, ADDRESS)
    with running_server(tmp_path / "repository", tmp_path) as server:
        printed = follow(steps[serve + 1 :], tmp_path, server.grpc)
        assert re.search(r"^detector +1 +ready", printed, re.MULTILINE)
        assert len(re.findall(r"(?:batch|padding|chunking) +\S +bitwise", printed)) == 3
        assert server.total("soloist_model_info", model="detector", certificate="bitwise") == 1
        assert_streams(tmp_path, server.grpc)


def assert_streams(folder: Path, address: str) -> None:
    sources = [block for block in blocks("streaming.md") if block.title]
    follow(sources, folder, address)
    printed = [run([sys.executable, block.title], folder, address).splitlines() for block in sources]
    first_frames = [[line.split()[0] for line in lines] for lines in printed]
    assert first_frames == [[str(10 * chunk) for chunk in range(20)]] * 3
    assert all(line.split()[-1] in {"silence", "speech", "music"} for lines in printed[1:] for line in lines)


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page that have a language."""
    pattern = r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```'
    found = re.findall(pattern, (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)
    return [Block(language=language, title=title, text=text) for language, title, text in found]


def follow(steps: list[Block], folder: Path, address: str) -> str:
    """Save the blocks that have a title, run the shell blocks, and return what those print."""
    printed = ""
    for block in steps:
        if block.title:
            (folder / block.title).write_text(block.text.replace(ADDRESS, address))
        elif block.language == "sh":
            printed += run(["bash", "-euc", block.text], folder, address)
    return printed


def run(command: list[str], folder: Path, address: str) -> str:
    """Run it as a reader would, with the programs of this environment, and return what it prints."""
    variables = environment({"server": address})
    variables["PATH"] = f"{Path(sys.executable).parent}:{variables['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env=variables, text=True, capture_output=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
