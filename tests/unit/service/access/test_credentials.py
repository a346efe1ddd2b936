"""Tokens while a server runs: which client each is of, until when, and what a changed file does."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from service.access.credentials import Credentials
from service.core.errors import Reason, ServiceError
from service.core.reasons.error_kind import ErrorKind


def line(name: str, secret: str, rest: str = "") -> str:
    return f'tokens.{name} = {{ roles = ["infer"], sha256 = "{hashlib.sha256(secret.encode()).hexdigest()}"{rest} }}\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "tokens.toml"
    file.write_text(line("a", "one") + line("b", "two", ", expires = 1970-01-01T00:01:00Z"))
    return file


def refused(credentials: Credentials, secret: str) -> ErrorKind:
    with pytest.raises(ServiceError) as caught:
        credentials.of_token(secret)
    return caught.value.reason


def test_a_token_has_a_client_until_it_expires(file: Path) -> None:
    now = [59.0]
    credentials = Credentials(file, CollectorRegistry(), clock=lambda: now[0])
    for _ in range(2):
        assert (credentials.of_token("one").name, credentials.of_token("two").name) == ("a", "b")
        assert refused(credentials, "three") is Reason.TOKEN_INVALID
    now[0] = 60.0
    assert refused(credentials, "two") is Reason.TOKEN_EXPIRED
    assert credentials.of_token("one").name == "a"


def test_what_is_unknown_is_not_remembered(file: Path) -> None:
    credentials = Credentials(file, CollectorRegistry())
    credentials.of_token("one")
    for number in range(1000):
        refused(credentials, str(number))
    assert set(credentials._shown) == {"one"}


async def test_a_token_that_was_shown_ends_with_its_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.access.credentials._POLL_SECONDS", 0.001)
    registry = CollectorRegistry()
    credentials = Credentials(file, registry)
    assert credentials.of_token("one").name == "a"
    following = asyncio.create_task(credentials.follow())
    try:
        await asyncio.to_thread(file.write_text, line("c", "three, which is longer"))
        async with asyncio.timeout(30):
            while not registry.get_sample_value("soloist_tokens_file_loads_total", {"outcome": "loaded"}):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert refused(credentials, "one") is Reason.TOKEN_INVALID
        assert credentials.of_token("three, which is longer").name == "c"
    finally:
        following.cancel()
