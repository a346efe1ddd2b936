"""`soloist compare` against a server: the table, the object, the picture."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from soloist.cli.main import main

if TYPE_CHECKING:
    from tests.unit.client.conftest import FakeServer

CSV = "1,2\n3,5\n0.5,0.25\n"


def compare(fake: FakeServer, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["compare", "sums", *arguments, "--server", fake.target], input=CSV)


def test_is_a_table_with_a_column_a_model(fake: FakeServer) -> None:
    result = compare(fake)
    assert result.exit_code == 0
    assert [re.split(r"   +", line.strip()) for line in result.stdout.splitlines()] == [
        ["sums", "control"],
        ["batch", "batch_current, control"],
        ["alone", "right  0.7500", "right  0.7500"],
        ["1 neighbour ×1", "same bits", "2.5e-01, 1.0e+03 ULP"],
        ["7 neighbours ×100", "same bits", "inf, 2.1e+09 ULP  → left"],
        ["padded to 6", "same bits", "same bits"],
        ["chunks of 1", "same bits", "not run"],
        [""],
        ["A cell shows how far the outputs at all 3 frames are from those alone; → is another class."],
        ["sums: the same bits under 4 of 4 conditions"],
        [
            "control: the same bits under 1 of 3 conditions, another class under 1; not run where it carries nothing "
            "from chunk to chunk; alone, from sums: 2.5e-01, 1.0e+03 ULP"
        ],
    ]


def test_prints_one_object_that_every_reader_can_parse(fake: FakeServer) -> None:
    found = json.loads(compare(fake, "--json").stdout, parse_constant=pytest.fail)
    assert found["conditions"][1:3] == [
        {"kind": "neighbours", "count": 7, "scale": 100.0},
        {"kind": "padded", "frames": 6},
    ]
    control = found["models"][1]
    assert control["outcomes"][0]["deviation"]["max_ulp"] == 1000
    assert control["outcomes"][1]["deviation"]["max_abs_difference"] is None  # it was infinite
    assert control["alone"]["outputs"] == [4.5, 7.25]
    assert (control["twin"], control["control"]) == ("sums", True)


def test_options_become_conditions(fake: FakeServer, tmp_path: Path) -> None:
    neighbour = tmp_path / "neighbour.csv"
    neighbour.write_text("5,6\n")
    options = shlex.split(
        "--neighbours 1,2 --scales 1,50.5 --padded 4,8 --chunks 2 --sibling a --sibling b --seed 9 --version 3"
    )
    assert compare(fake, *options, "--neighbour-file", str(neighbour)).exit_code == 0
    request = fake.requests[-1]
    neighbours = [
        (each.neighbours.count, each.neighbours.scale) for each in request.conditions if each.HasField("neighbours")
    ]
    assert neighbours == [(1, 1), (2, 1), (1, 50.5), (2, 50.5)]
    assert [each.padded_frames for each in request.conditions if each.HasField("padded_frames")] == [4, 8]
    assert [each.chunk_frames for each in request.conditions if each.HasField("chunk_frames")] == [2]
    assert (list(request.siblings), request.seed, request.version) == (["a", "b"], 9, 3)
    assert [list(tensor.shape) for tensor in request.neighbours] == [[1, 2]]


def test_a_version_may_be_a_label(fake: FakeServer) -> None:
    assert compare(fake, "--version", "canary").exit_code == 0
    request = fake.requests[-1]
    assert (request.version, request.version_label) == (0, "canary")


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_draws_a_picture(fake: FakeServer, tmp_path: Path, suffix: str) -> None:
    picture = tmp_path / f"compare.{suffix}"
    assert compare(fake, "--plot", str(picture)).exit_code == 0
    content = picture.read_bytes()
    if suffix == "png":
        assert content.startswith(b"\x89PNG")
        return
    text = content.decode()
    for words in ("ordinary neighbours (×1)", "neighbours ×100", "0: same bits", "statistics", "another class"):
        assert words in text
    assert "control (batch_current, control): same bits 1 of 3" in text


def test_the_same_comparison_is_the_same_picture(fake: FakeServer, tmp_path: Path) -> None:
    first, again = tmp_path / "first.svg", tmp_path / "again.svg"
    for picture in (first, again):
        compare(fake, "--plot", str(picture))
    assert first.read_bytes() == again.read_bytes()


def test_a_picture_needs_an_extra(fake: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("comparison_plot", "plotting"):
        monkeypatch.delitem(sys.modules, f"soloist.cli.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = compare(fake, "--plot", str(tmp_path / "compare.svg"))
    assert result.exit_code == 1
    assert "pip install 'soloist[bench]'" in result.stderr
    assert fake.requests == []  # said before anything was asked


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--neighbours", "1;7"], "is not a list of numbers"),
        (["--scales", ""], "is not a list of numbers"),
        (["--plot", "compare.pdf"], "must end in .svg or .png"),
    ],
)
def test_wrong_usage_exits_with_2(fake: FakeServer, arguments: list[str], words: str) -> None:
    result = compare(fake, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
