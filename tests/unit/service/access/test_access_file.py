"""The file of tokens: what it may hold, and who may write it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.access_file import AccessFileError, load, parse
from service.access.client import Role

DIGEST = "ab" * 32
OTHER = "cd" * 32
GOOD = f'tokens.a = {{ roles = ["infer"], sha256 = "{DIGEST}" }}\n'


def test_tokens_and_certificates_are_read() -> None:
    file = parse(
        GOOD + f'tokens.b = {{ roles = ["admin", "monitor"], sha256 = "{OTHER}", expires = 1970-01-02 }}\n'
        'certificates."gate.example" = { roles = ["infer"], name = "gate" }\n'
        'certificates."CN of it" = { roles = ["feedback"] }\n'
    )
    assert file.tokens[bytes.fromhex(DIGEST)].client.roles == {Role.INFER}
    assert file.tokens[bytes.fromhex(OTHER)].expires_at == 86_400
    assert {subject: client.name for subject, client in file.certificates.items()} == {
        "gate.example": "gate",
        "CN of it": "CN of it",
    }


def test_an_empty_file_lets_nobody_in() -> None:
    file = parse("")
    assert not file.tokens
    assert not file.certificates


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("tokens = broken", "no TOML"),
        (f"x = {'[' * 100_000}", "no TOML"),
        ("tokens = 3", "must be a table"),
        ("users.a = 1", "'users'"),
        ("tokens.a = 3", "tokens.a must be a table"),
        (GOOD + GOOD, "no TOML"),
        (GOOD + GOOD.replace("tokens.a", "tokens.b"), "the same token"),
        (GOOD.replace(DIGEST, "AB" * 32), "sha256"),
        (GOOD.replace(DIGEST, "ab"), "sha256"),
        (GOOD.replace('"infer"', '"root"'), "roles"),
        (GOOD.replace('"infer"', ""), "roles"),
        (GOOD.replace('["infer"]', '[["infer"]]'), "roles"),
        (GOOD.replace("roles", "rolls"), "'rolls'"),
        (GOOD.replace(" }", ", expires = 3 }"), "expires"),
        (GOOD.replace("tokens.a", 'tokens."a b"'), "a name has"),
        (GOOD.replace("tokens.a", 'certificates."a"'), "'sha256'"),
        ('certificates."" = { roles = ["infer"] }', "1 to 256"),
        ("".join(f"tokens.t{number} = 1\n" for number in range(4097)), "more than 4096"),
    ],
)
def test_one_fault_refuses_the_file(text: str, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        parse(text)


@given(st.text(max_size=200))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    with suppress(ValueError):
        parse(text)


def test_a_secret_that_was_written_by_mistake_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    for text in ('tokens.a = { roles = ["infer"], sha256 = "soloist_oops" }', "tokens.a = soloist_oops"):
        file.write_text(text)
        with pytest.raises(AccessFileError) as refused:
            load(file)
        assert "soloist_oops" not in str(refused.value)
        assert refused.value.__cause__ is None


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text(GOOD)
    file.chmod(mode)
    with pytest.raises(AccessFileError, match="chmod go-w"):
        load(file)


def test_a_file_that_others_may_read_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text(GOOD)
    file.chmod(0o444)
    assert load(file).tokens


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AccessFileError, match="No such file"):
        load(tmp_path / "missing")
    with pytest.raises(AccessFileError):
        load(tmp_path)
    large = tmp_path / "large"
    large.write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(AccessFileError, match="1048577 bytes"):
        load(large)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(AccessFileError, match="UTF-8"):
        load(binary)
