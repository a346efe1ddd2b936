"""How a server comes to a sequence store; others don't load its library."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from service.app.settings import SettingsError
from service.core.files import read_regular

if TYPE_CHECKING:
    from pathlib import Path

    from service.api.oip.sequences import Sequences
    from service.api.oip.stored_sequences import StoredSequences
    from service.app.metrics import Metrics
    from service.app.settings import Settings
    from service.core.health import Health
    from service.sealing.key_ring import KeyRing
    from service.serving.inference import Serving
    from service.serving.sequence_records import SequenceRecords
    from service.store.store import SequenceStore

_log = structlog.get_logger("soloist.store")
_SCHEMES = ("redis", "rediss", "unix")
_PART = "sequence store"
_MOST_PASSWORD_BYTES = 4096
# Time between two questions whether it answers, and how many have to fail in a row: one may be a hiccup.
_PING_SECONDS = 1.0
_PINGS = 2


@dataclass(frozen=True, kw_only=True)
class Storing:
    """The store, and what is written to it."""

    store: SequenceStore
    records: SequenceRecords

    def sequences(self, serving: Serving, turns: Sequences) -> StoredSequences:
        """Return the sequences in it; `turns` lets the requests of one wait for each other."""
        from service.api.oip.stored_sequences import StoredSequences

        return StoredSequences(self.records, serving, turns)

    async def follow(self, health: Health) -> None:
        """Ask for ever whether the store answers: a server that is cut off from it isn't ready."""
        from service.serving.store_metrics import Operation, Outcome
        from service.store.store import StoreError

        metrics = self.records.metrics
        failed = _PINGS - 1  # at the start there is nothing that it could be a hiccup of
        while True:
            try:
                await self.store.ping()
            except StoreError as error:
                failed += 1
                metrics.done(Operation.PING, Outcome.FAILED)
                if failed == _PINGS:
                    _log.warning("the sequence store doesn't answer", error=str(error))
                    health.report(_PART, "the sequence store doesn't answer")
            else:
                metrics.done(Operation.PING, Outcome.OK)
                if failed >= _PINGS:
                    _log.info("the sequence store answers again")
                    health.report(_PART, "")
                failed = 0
            await asyncio.sleep(_PING_SECONDS)


def storing(settings: Settings, metrics: Metrics, keys: KeyRing | None) -> Storing | None:
    """Return it; None without a store.

    Raises:
        SettingsError: the address can't be read, the library is missing, or there are no keys and nobody has said that
            states may lie there in the clear.

    """
    if settings.sequence_store is None:
        return None
    require_seal(settings)
    from service.sealing.plain import PlainSealer
    from service.sealing.sealer import Sealer
    from service.serving.sequence_records import SequenceRecords

    store = redis_store(settings, settings.sequence_store)
    if keys is None:
        _log.warning("states lie in the sequence store in the clear")
    seal = PlainSealer() if keys is None else Sealer(keys.newest, keys.by_id)
    records = SequenceRecords(store, seal, metrics.store, max_bytes=settings.max_stored_sequence_bytes)
    return Storing(store=store, records=records)


def require_seal(settings: Settings) -> None:
    """Refuse a store in which states would lie in the clear, unless that is said.

    Raises:
        SettingsError: there are no keys.

    """
    if settings.keys_file is None and not settings.sequence_store_plaintext:
        raise SettingsError(
            "sequence_store needs keys_file, which seals the states in it (`soloist keys new`), "
            "or sequence_store_plaintext, if whoever reaches the store may read and change them"
        )


def redis_store(settings: Settings, url: str) -> SequenceStore:
    """Return the store at a URL, without a connection yet.

    Raises:
        SettingsError: the URL or the password's file can't be read, or the library is missing.

    """
    try:
        from service.store.redis_store import RedisAddress, RedisStore
    except ModuleNotFoundError as error:
        raise SettingsError("sequence_store needs a package: pip install 'soloist[redis]'") from error
    # No text of an error has the URL, which may have a password.
    try:
        if urlsplit(url).scheme not in _SCHEMES:
            raise ValueError
        address = RedisAddress(url=url, password=_password(settings), ca_file=_ca_file(settings, url))
        return RedisStore(address, timeout_seconds=settings.sequence_store_timeout_seconds)
    except ValueError:
        raise SettingsError("sequence_store must be redis://host:port/db, rediss://… or unix:///path") from None


def _password(settings: Settings) -> str | None:
    path = settings.sequence_store_password_file
    if path is None:
        return None
    try:
        return read_regular(path, most_bytes=_MOST_PASSWORD_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"sequence_store_password_file: {path} can't be read") from None


def _ca_file(settings: Settings, url: str) -> Path | None:
    ca_file = settings.sequence_store_ca
    if ca_file is not None and urlsplit(url).scheme != "rediss":
        raise SettingsError("sequence_store_ca is for rediss://")
    return ca_file
