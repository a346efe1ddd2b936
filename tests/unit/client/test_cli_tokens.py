"""`soloist tokens new`: what it prints, the server's file takes."""

from __future__ import annotations

import hashlib
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.access.access_file import load, parse
from service.access.client import Role
from soloist.cli.main import main


def new(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["tokens", "new", *arguments])


def test_the_line_that_is_printed_knows_the_token_that_is_printed() -> None:
    first, _, line = new("camera-7", "--role", "infer", "--role", "feedback").output.splitlines()
    (token,) = parse(line).tokens.values()
    assert token.digest == hashlib.sha256(first.removeprefix("token: ").encode()).digest()
    assert (token.client.name, set(token.client.roles)) == ("camera-7", {Role.INFER, Role.FEEDBACK})


def test_lines_are_added_to_a_file_that_only_its_owner_may_read(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    made = [new(name, "--role", "infer", "--file", str(file)).output for name in ("a", "b.c@d")]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {token.client.name for token in load(file).tokens.values()} == {"a", "b.c@d"}
    assert not any(token.strip() in file.read_text() for token in made)


def test_a_name_has_one_token(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    new("a", "--role", "infer", "--file", str(file))
    before = file.read_text()
    again = new("a", "--role", "admin", "--file", str(file))
    assert (again.exit_code, file.read_text()) == (1, before)


def test_a_token_expires() -> None:
    line = new("a", "--role", "infer", "--expires-days", "2").output.splitlines()[-1]
    (token,) = parse(line).tokens.values()
    left = (token.expires_at or 0) - datetime.now(UTC).timestamp()
    assert timedelta(days=1, hours=23) < timedelta(seconds=left) <= timedelta(days=2)


@pytest.mark.parametrize("name", ["", "-a", "a b", 'a"', "a" * 65])
def test_a_name_is_plain(name: str) -> None:
    assert new("--role", "infer", "--", name).exit_code == 2


def test_a_file_that_is_no_text_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    file.write_bytes(b"\xff\xfe\x00")
    result = new("a", "--role", "infer", "--file", str(file))
    assert (result.exit_code, file.read_bytes()) == (1, b"\xff\xfe\x00")
    assert "not UTF-8 text" in result.output


@pytest.mark.parametrize(
    "before",
    [
        '[tokens.old]\nroles = ["infer"]\n',
        '[certificates.old]\nroles = ["infer"]\n',
        'tokens = { a = { roles = ["infer"] } }\n',
        "no TOML\n",
        f"number = {'1' * 5000}\n",
    ],
)
def test_a_line_that_would_be_no_token_is_not_added(tmp_path: Path, before: str) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text(before)
    result = new("a", "--role", "infer", "--file", str(file))
    assert (result.exit_code, file.read_text()) == (1, before)
    assert "would not be a token" in result.output
