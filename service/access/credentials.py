"""The credentials that clients may show, as they are now: the file is read again when it changes."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import structlog

from service.access.access_file import AccessFile, AccessFileError, Token, load
from service.core.errors import Reason, ServiceError
from service.core.file_mark import file_mark
from service.core.metrics import CounterFamily, Family, Start

if TYPE_CHECKING:
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from service.access.client import Client

_POLL_SECONDS = 1.0
_OUTCOMES = ("loaded", "refused")
_log = structlog.get_logger("soloist.access")

LOADS = CounterFamily(
    name="soloist_tokens_file_loads_total",
    text="Changes of the tokens file; a refused one leaves the tokens as they were. Only with a tokens file.",
    labels=("outcome",),
    values=_OUTCOMES,
    start=Start.SERVER,
)
FAMILIES: Final[tuple[Family, ...]] = (LOADS,)


class Credentials:
    """The tokens and certificates of one file. Belongs to the event loop."""

    def __init__(self, path: Path, registry: CollectorRegistry, *, clock: Callable[[], float] = time.time) -> None:
        """Load the file.

        Args:
            path: the file.
            registry: where its loads are counted.
            clock: returns seconds since 1970.

        Raises:
            AccessFileError: the file can't be used.

        """
        self._path, self._clock = path, clock
        self._loads = LOADS.on(registry)
        for outcome in _OUTCOMES:
            self._loads.labels(outcome)
        self._seen = file_mark(path)
        self._file = load(path)
        # Tokens by their text once they were shown: hashing takes as long as all else. No more than there are tokens.
        self._shown: dict[str, Token] = {}

    def of_token(self, secret: str) -> Client:
        """Return the client of a token.

        Raises:
            ServiceError: TOKEN_INVALID or TOKEN_EXPIRED.

        """
        shown = self._shown  # before the file is looked at, so that nothing of an old one gets among the new
        token = shown.get(secret)
        if token is None:
            token = shown[secret] = self._find(secret)
        if token.expires_at is not None and self._clock() >= token.expires_at:
            raise ServiceError(Reason.TOKEN_EXPIRED, client=token.client.name)
        return token.client

    def _find(self, secret: str) -> Token:
        """Return a token by its SHA-256.

        How long that takes tells about the hash of a guess, which nobody can steer towards that of a token. The hash
        that is found is compared in full, in constant time. So it is with texts: Python's hashes of them are keyed.
        """
        digest = hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
        token = self._file.tokens.get(digest)
        if token is None or not hmac.compare_digest(token.digest, digest):
            raise ServiceError(Reason.TOKEN_INVALID)
        return token

    def of_certificate(self, names: Iterable[str]) -> Client | None:
        """Return the client of a certificate by the first of its names that the file has; None if it has none."""
        certificates = self._file.certificates
        return next((certificates[name] for name in names if name in certificates), None)

    async def follow(self) -> None:
        """Read the file again whenever it changes, for ever. One that can't be used changes nothing."""
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            mark = file_mark(self._path)
            if mark != self._seen:
                self._seen = mark
                await asyncio.get_running_loop().run_in_executor(None, self._reload)

    def _reload(self) -> None:
        try:
            file: AccessFile = load(self._path)
        except AccessFileError as error:
            self._loads.labels("refused").inc()
            _log.error("tokens file refused, the tokens stay as they were", cause=str(error))
            return
        self._file = file
        self._shown = {}
        self._loads.labels("loaded").inc()
        _log.info("tokens file loaded", tokens=len(file.tokens), certificates=len(file.certificates))
