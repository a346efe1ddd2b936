"""The token of a client: shown with every kind of call, and never where others can read it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner

from soloist import Admin, AsyncAdmin, AsyncClient, AsyncMonitor, Client, Monitor, Token, UnauthenticatedError
from soloist.cli.main import main
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1 import sequence_inference_pb2_grpc

SECRET = "soloist_abc-DEF.123~x"  # noqa: S105  # of this test
FAR = "models.example:8001"


class Shown(sequence_inference_pb2_grpc.SequenceInferenceServicer):
    """Keeps what callers show, and lets nobody in."""

    def __init__(self) -> None:
        self.headers: list[Any] = []

    def _refuse(self, context: Any) -> None:
        self.headers.append(dict(context.invocation_metadata()).get("authorization"))
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "who?")

    def ListModels(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        self._refuse(context)

    Predict = Compare = GetModel = ListModels

    def Stream(self, _requests: Any, context: Any) -> Iterator[Any]:  # of the API
        self._refuse(context)
        yield pb.StreamResponse()


@pytest.fixture
def shown() -> Iterator[tuple[str, Shown]]:
    server, servicer = grpc.server(ThreadPoolExecutor(2)), Shown()
    sequence_inference_pb2_grpc.add_SequenceInferenceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", servicer
    server.stop(None).wait()


def test_a_client_shows_its_token(shown: tuple[str, Shown]) -> None:
    target, servicer = shown
    with Client(target, token=SECRET) as client:
        with pytest.raises(UnauthenticatedError):
            client.models()
        with pytest.raises(UnauthenticatedError), client.stream("m"):
            pass
    assert servicer.headers == [f"Bearer {SECRET}"] * 2


async def test_an_async_client_shows_its_token(shown: tuple[str, Shown]) -> None:
    target, servicer = shown
    async with AsyncClient(target, token=Token(SECRET)) as client:
        with pytest.raises(UnauthenticatedError):
            await client.models()
        with pytest.raises(UnauthenticatedError):
            async with client.stream("m"):
                pass
    assert servicer.headers == [f"Bearer {SECRET}"] * 2


@pytest.mark.parametrize("kind", [Client, AsyncClient, Monitor, AsyncMonitor, Admin, AsyncAdmin])
def test_a_token_is_not_sent_in_the_open(kind: Any) -> None:
    with pytest.raises(ValueError, match="plain connection") as refused:
        kind(FAR, token=SECRET)
    assert SECRET not in str(refused.value)


def test_a_token_is_sent_in_the_open_when_told() -> None:
    with Client(FAR, token=Token(SECRET, over_plaintext=True)):
        pass  # it connects at its first call


def test_a_token_is_not_shown() -> None:
    assert SECRET not in repr(Token(SECRET))


@pytest.mark.parametrize("text", ["", "two words", "line\nbreak", "ümlaut"])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the token"):
        Token(text)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    return file


def test_a_command_shows_the_token_of_a_file(shown: tuple[str, Shown], token_file: Path) -> None:
    target, servicer = shown
    done = CliRunner().invoke(main, ["models", "--server", target, "--token-file", str(token_file)])
    assert (done.exit_code, servicer.headers) == (1, [f"Bearer {SECRET}"])


def test_a_command_shows_the_token_of_the_environment(shown: tuple[str, Shown]) -> None:
    target, servicer = shown
    CliRunner().invoke(main, ["models", "--server", target], env={"SOLOIST_TOKEN": SECRET})
    assert servicer.headers == [f"Bearer {SECRET}"]


def test_a_command_takes_no_token_that_others_may_read(token_file: Path) -> None:
    token_file.chmod(0o644)
    done = CliRunner().invoke(main, ["models", "--token-file", str(token_file)])
    assert (done.exit_code, "chmod 600" in done.stderr, SECRET in done.output) == (2, True, False)


def test_a_command_sends_no_token_in_the_open(token_file: Path) -> None:
    done = CliRunner().invoke(main, ["models", "--server", FAR, "--token-file", str(token_file)])
    assert (done.exit_code, "--token-over-plaintext" in done.stderr, SECRET in done.output) == (2, True, False)
