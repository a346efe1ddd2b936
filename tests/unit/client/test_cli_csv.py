"""CSV for `soloist predict | stream | compare`: what is a header, what is a number, and how the rest is named."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner, Result

from soloist.cli.main import main

if TYPE_CHECKING:
    from tests.unit.client.conftest import FakeServer


def ask(fake: FakeServer, command: str, stdin: str | bytes, model: str = "sums", *more: str) -> Result:
    return CliRunner().invoke(main, [command, model, "--format", "csv", "--server", fake.target, *more], input=stdin)


@pytest.mark.parametrize(
    "text",
    [
        "1,2\n3,5\n",
        "x,y\n1,2\n3,5\n",
        "x,x\n1,2\n3,5\n",
        ",y\n1,2\n3,5\n",
        "NA,\n1,2\n3,5\n",
        '"width, cm","height"\n1,2\n3,5\n',
        "\ufeffx,y\r\n1,2\r\n3,5\r\n",
        "\ufeff1,2\n3,5",
        "\n\nx,y\n\n1,2\n  \n3,5\n\n\n",
        '"1"," 2"\n+3 ,\t5.0e0\n',
        "1,2\n3.,.5e1\n",
        "1,2\n3,5000000000000000000000e-21\n",
    ],
)
@pytest.mark.parametrize("command", ["predict", "stream"])
def test_these_are_the_same_two_frames(fake: FakeServer, command: str, text: str) -> None:
    expected = ask(fake, command, "1,2\n3,5\n", "sums", "--json")
    found = ask(fake, command, text.encode(), "sums", "--json")
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout.partition("outputs")[2] == expected.stdout.partition("outputs")[2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,\n3,5\n", "standard input, line 1, column 2: an empty cell is no number"),
        ("1,NA\n3,5\n", "line 1, column 2: 'NA' is no number"),
        ("1,2o\n3,5\n", "line 1, column 2: '2o' is no number"),
        ("n/a,2\n3,5\n", "line 1, column 1: 'n/a'"),
        (",\n3,5\n", "line 1, column 1: an empty cell"),
        ("x,y\nz,w\n3,5\n", "line 2, column 1: 'z'"),
        ("1,2\nx,y\n", "line 2, column 1: 'x'"),
        ("x,y\n\n1,2\n3,\n", "line 4, column 2: an empty cell"),
        ("1,2\n3\n", "line 2 has 1 columns, the lines before it 2"),
        ("x\n1,2\n", "line 2 has 2 columns, the lines before it 1"),
        ("1,2,\n3,5,\n", "line 1, column 3: an empty cell"),
        ("1;2\n3;5\n", "line 1, column 1: '1;2' is no number; cells are separated by commas"),
        ("1\t2\n", "line 1, column 1: '1\\t2'"),
        ("x;y\n1;2\n", "line 2, column 1: '1;2'"),
        ("1,5;2,5\n", "line 1, column 2: '5;2'"),
        ('"1,234","2,345"\n3,5\n', "line 1, column 1: '1,234'"),
        ("1_000,2\n", "line 1, column 1: '1_000'"),
        ("1_000,2_000\n", "line 1, column 1: '1_000'"),
        ("0x10,0x20\n1,2\n", "line 1, column 1: '0x10'"),
        ("١,٢\n1,2\n", "line 1, column 1: '١'"),
        ("1,2\r3,5\r", "line 1"),
        ("1e400,2\n", "line 1, column 1: '1e400' is too large"),
        ('1,"2\n3,5\n', "line 1: unexpected end of data"),
        ("", "there is no frame in it"),
        ("x,y\n", "there is no frame in it"),
        (b"\xff\xfe1\x00,\x002\x00\n\x00", "line 1: this is not UTF-8 text"),
    ],
)
@pytest.mark.parametrize("command", ["predict", "stream", "compare"])
def test_what_is_no_number_is_named(fake: FakeServer, command: str, text: str | bytes, said: str) -> None:
    found = ask(fake, command, text)
    assert found.exit_code == 2
    assert said in " ".join(found.stderr.split())


@pytest.mark.parametrize("cell", ["3.5", "3.0", "1e1", "", "nan", "99999999999999999999"])
def test_tokens_are_whole_numbers(fake: FakeServer, cell: str) -> None:
    found = ask(fake, "predict", f"2\n4,{cell}\n" if not cell else f"2\n{cell}\n", "letters")
    assert found.exit_code == 2
    assert "line 2" in found.stderr


@pytest.mark.parametrize("first", ["nan,1", "inf,-Infinity", "NaN,NaN"])
def test_nan_and_infinity_are_numbers(fake: FakeServer, first: str) -> None:
    assert '"frame_count": 2' in ask(fake, "predict", f"{first}\n1,2\n", "sums", "--json").stdout


def test_the_file_is_named(fake: FakeServer, tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_text("1,2\n3,x\n")
    found = CliRunner().invoke(main, ["predict", "sums", str(file), "--server", fake.target])
    assert (found.exit_code, "f.csv, line 2, column 2: 'x' is no number" in found.stderr) == (2, True)


@pytest.mark.parametrize(
    "array",
    [np.array([{}]), np.array(["a"]), np.array([1j]), np.array(["2026-01-01"], "M8[D]"), np.array(1.0)],
    ids=["objects", "text", "complex", "dates", "scalar"],
)
@pytest.mark.parametrize("as_input", [False, True])
def test_arrays_of_other_things(fake: FakeServer, tmp_path: Path, array: object, as_input: bool) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array)  # type: ignore[arg-type]
    (tmp_path / "a.npy").write_bytes(buffer.getvalue())
    if as_input and np.ndim(array) == 0:  # type: ignore[arg-type]
        return  # a further input may be a scalar
    more = ["--input", f"a={tmp_path / 'a.npy'}"] if as_input else [str(tmp_path / "a.npy")]
    found = CliRunner().invoke(main, ["predict", "sums", *more, "--server", fake.target], input="1,2\n")
    assert found.exit_code == 2
    assert "a.npy" in found.stderr


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x80\x04K\x01.", b"text"])
def test_files_that_are_no_array(fake: FakeServer, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    found = CliRunner().invoke(main, ["predict", "sums", str(tmp_path / "a.npy"), "--server", fake.target])
    assert (found.exit_code, "a.npy: not a .npy file of numbers" in found.stderr) == (2, True)
