"""The file of a running prediction log: its connections follow the path, and a lost file is created again.

A file that is deleted or replaced stays open for its users, but what they write there is lost. So each use checks
whether the path still leads to the open file and its journals (-wal, -shm). All connections of this process change to a
new file together: two of them on two journals would corrupt it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import structlog

from service.observers.feedback.database import (
    connect,
    inode_of,
    journals,
    move_aside,
    prepare,
    remove_empty,
    remove_journals,
)

_log = structlog.get_logger("soloist.prediction_log")
_TRIES = 5
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class LogLostError(sqlite3.OperationalError):
    """The file was deleted, replaced or damaged; there is a new one without the old content."""


class _Identity(NamedTuple):
    """Device and inode of the file and of its journals."""

    file: tuple[int, int]
    journals: tuple[tuple[int, int] | None, ...]


class LogFile:
    """The connections of one process to one path. Belongs to no thread; each connection to one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connections: list[LogConnection] = []
        self._opened: _Identity | None = None
        self._is_open = False
        self._is_damaged = False
        self.generation = 0

    def connection(self, *, durable: bool = False, interruptible: bool = False) -> LogConnection:
        """Open a connection; the use of an `interruptible` one may be cut short by a change of the file.

        Raises:
            LogFileError: the file can't be created or opened, or is no prediction log.
            sqlite3.Error: likewise.

        """
        with self._lock:
            made = LogConnection(self, durable=durable, interruptible=interruptible)
            self._connections.append(made)
            if not self._is_open:
                self._open()
            else:
                made.open(self._path)
        return made

    def follow(self) -> None:
        """Reopen the connections if the path leads to another file.

        Raises:
            LogFileError: there is none, and it can't be made.
            sqlite3.Error: likewise.

        """
        if self.is_current():
            return
        with self._lock:
            if not self.is_current():
                self._renew()

    def is_current(self) -> bool:
        """Return whether the path leads to the open file."""
        return self._is_open and not self._is_damaged and _identity(self._path) == self._opened

    def report(self, error: sqlite3.Error) -> None:
        """Record a failure; a damaged file is not used again."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            self._is_damaged = True

    def let_go(self, connection: LogConnection) -> None:
        """Remove a connection."""
        with self._lock:
            self._connections.remove(connection)

    def _renew(self) -> None:
        found, opened = _identity(self._path), self._opened
        same_file = found is not None and opened is not None and found.file == opened.file
        # If only the journal is gone, its content goes into the file before the connections close.
        for each in self._connections:
            each.close_for_now(checkpoint=same_file and not self._is_damaged)
        self._is_open = False
        if opened is not None and self._is_damaged:
            move_aside(self._path, opened.file)
        remove_empty(self._path)
        if opened is not None and inode_of(self._path) != opened.file:
            remove_journals(self._path, opened.journals)
        self._open()
        self.generation += 1
        self._is_damaged = False
        _log.error("prediction log lost, and created again", path=str(self._path))

    def _open(self) -> None:
        """Open all connections; retries, since a program that deletes files may not be done yet."""
        for _ in range(_TRIES):
            prepare(self._path)
            found = self._opened_alike()
            if found is not None:
                self._opened, self._is_open = found, True
                return
            for each in self._connections:
                each.close_for_now()
        raise LogLostError("the prediction log is lost again and again")

    def _opened_alike(self) -> _Identity | None:
        """Open all connections and return the file that they opened; None if it isn't one file with its journals."""
        file, opened = inode_of(self._path), None
        for each in self._connections:
            each.open(self._path)
            found = _identity(self._path)
            if found is None or found.file != file or None in found.journals or opened not in (None, found):
                return None
            opened = found
        return opened


class LogConnection:
    """One connection, which is reopened with the file."""

    def __init__(self, file: LogFile, *, durable: bool, interruptible: bool) -> None:
        self._file = file
        self._durable = durable
        self._interruptible = interruptible
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._generation = file.generation

    @contextmanager
    def using(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection to the file at the path.

        Raises:
            LogFileError: there is none, and it can't be made.
            sqlite3.Error: likewise, and whatever is raised inside.

        """
        self._file.follow()
        with self._lock:
            if self._db is None:
                raise LogLostError("the prediction log is not open")
            try:
                yield self._db
            except sqlite3.Error as error:
                self._file.report(error)
                raise

    def require_same(self) -> None:
        """Raise LogLostError once after each change of the file, before anything from the new one is returned."""
        self._file.follow()
        seen, self._generation = self._generation, self._file.generation
        if seen != self._generation:
            raise LogLostError("the prediction log was lost")

    def is_current(self) -> bool:
        """Return whether the last write is in the file at the path."""
        return self._file.is_current()

    def interrupt(self) -> None:
        """End the use in progress on another thread."""
        db = self._db
        if db is not None:
            with suppress(sqlite3.Error):
                db.interrupt()

    def open(self, path: Path) -> None:
        """Open the file, unless it is open; its journals are there from now on."""
        if self._db is None:
            self._db = connect(path, durable=self._durable)
            self._db.execute("PRAGMA user_version").fetchone()  # the first read opens them

    def close_for_now(self, *, checkpoint: bool = False) -> None:
        """Wait for the use in progress, and close."""
        if self._interruptible:
            self.interrupt()
        with self._lock:
            db, self._db = self._db, None
            if db is None:
                return
            with suppress(sqlite3.Error):
                if checkpoint:
                    db.execute("PRAGMA wal_checkpoint(FULL)")
            with suppress(sqlite3.Error):
                db.close()

    def close(self) -> None:
        """Close it for good."""
        self._file.let_go(self)
        self.close_for_now()


def _identity(path: Path) -> _Identity | None:
    """Return the identity of the file at a path; None if there is none, or an empty one."""
    try:
        found = path.stat()
    except OSError:
        return None
    if not found.st_size:
        return None
    return _Identity((found.st_dev, found.st_ino), tuple(inode_of(each) for each in journals(path)))
