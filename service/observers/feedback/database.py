"""The file of the prediction log: SQLite in WAL mode, its tables, and transactions. Several servers may share it.

Times are milliseconds since 1970. Ids are the 16 bytes of a prediction's id, of which the first six are its time. So
every table is in order of time, and a window, or what is old, is one range of it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

_BUSY_SECONDS = 5.0
_DAMAGED = ".damaged"
_SCHEMA_VERSION = 1
_TABLES = """
CREATE TABLE versions (
    key INTEGER PRIMARY KEY, model TEXT NOT NULL, version INTEGER NOT NULL, norm TEXT NOT NULL,
    classes TEXT NOT NULL,              -- JSON, in the order of the outputs
    UNIQUE (model, version, norm, classes)
);
CREATE TABLE predictions (              -- one row per answer and version: the one that answered, and its shadows
    id BLOB NOT NULL, version INTEGER NOT NULL, is_shadow INTEGER NOT NULL,
    sequence TEXT,                      -- NULL for a sequence of this answer alone
    first_frame INTEGER NOT NULL, frame_count INTEGER NOT NULL, is_whole INTEGER NOT NULL, batch_size INTEGER NOT NULL,
    class INTEGER NOT NULL, confidence REAL,  -- at the last frame; NULL if the outputs aren't finite
    PRIMARY KEY (id, version)
) WITHOUT ROWID;
CREATE TABLE frames (                   -- answers with several outputs: those of their last frames
    id BLOB NOT NULL, version INTEGER NOT NULL, classes BLOB NOT NULL, confidences BLOB NOT NULL,
    PRIMARY KEY (id, version)
) WITHOUT ROWID;
CREATE TABLE labels (                   -- the true class of one frame of one answer; the first report counts
    id BLOB NOT NULL, step INTEGER NOT NULL, class TEXT NOT NULL, event_ms INTEGER NOT NULL,
    PRIMARY KEY (id, step)
) WITHOUT ROWID;
CREATE TABLE matches (                  -- a label, and the answer of one version at that frame
    id BLOB NOT NULL, version INTEGER NOT NULL, step INTEGER NOT NULL,
    truth INTEGER NOT NULL, predicted INTEGER NOT NULL, confidence REAL,
    PRIMARY KEY (id, version, step)
) WITHOUT ROWID;
CREATE TABLE pending (                  -- labels that came before their answer was written, as reported
    number INTEGER PRIMARY KEY, id BLOB NOT NULL, step INTEGER NOT NULL, class_index INTEGER NOT NULL,
    class TEXT NOT NULL, event_ms INTEGER NOT NULL,
    UNIQUE (id, step, class_index, class)
);
CREATE TABLE forgotten (                -- one row: all with a lower id have been deleted
    up_to BLOB NOT NULL
);
INSERT INTO forgotten VALUES (x'');
"""
# Added since, where callers have to show who they are; releases that don't know these tables go on without them.
_ADDED = """
CREATE TABLE IF NOT EXISTS owners (     -- the client that got an answer
    id BLOB PRIMARY KEY, client TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (     -- pending labels of clients that may label their own answers only
    number INTEGER PRIMARY KEY, id BLOB NOT NULL, step INTEGER NOT NULL, class_index INTEGER NOT NULL,
    class TEXT NOT NULL, event_ms INTEGER NOT NULL, client TEXT NOT NULL,
    UNIQUE (id, step, class_index, class, client)
);
CREATE INDEX IF NOT EXISTS claims_of_client ON claims (client);
CREATE TABLE IF NOT EXISTS label_shares (  -- how many labels a client, by a digest of its name, has reported
    client BLOB NOT NULL, id BLOB NOT NULL, labels INTEGER NOT NULL,  -- from a time on, as the id of such an answer
    PRIMARY KEY (client, id)
) WITHOUT ROWID;
"""


class LogFileError(OSError):
    """The file can't be opened, or isn't a prediction log of this server; the text has the cause."""


def prepare(path: Path) -> None:
    """Create the folder, the file and its tables if they are missing.

    Raises:
        LogFileError: it can't be done.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.parent), ExitStack() as stack:
            _remove_stale_journals(path)
            db = stack.enter_context(closing(connect(path)))
            stack.enter_context(transaction(db))
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                for statement in _TABLES.split(";\n"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            elif version != _SCHEMA_VERSION:
                raise LogFileError(f"{path}: a prediction log of another release (format {version})")
            for statement in _ADDED.split(";\n"):
                db.execute(statement)
    except sqlite3.Error as error:
        raise LogFileError(f"{path}: {error}") from error


def move_aside(path: Path, inode: tuple[int, int]) -> None:
    """Rename a damaged file, if it is still that one (device and inode). Only the latest such file is kept.

    Raises:
        OSError: it can't be done.

    """
    with _alone(path.parent):
        if inode_of(path) == inode:
            path.replace(path.with_name(path.name + _DAMAGED))


def remove_empty(path: Path) -> None:
    """Remove a file that was truncated to nothing, which SQLite would take for a new one."""
    with suppress(OSError), _alone(path.parent):
        if not path.stat().st_size:
            path.unlink()


def remove_journals(path: Path, inodes: Sequence[tuple[int, int] | None]) -> None:
    """Remove journals if they are still those (device and inode): SQLite would take them for the new file's.

    Raises:
        OSError: it can't be done.

    """
    if path.parent.is_dir():
        with _alone(path.parent):
            for journal, inode in zip(journals(path), inodes, strict=True):
                if inode is not None and inode_of(journal) == inode:
                    journal.unlink()


def journals(path: Path) -> list[Path]:
    """Return the paths that SQLite keeps next to a file: changes that aren't in it yet, and who uses it."""
    return [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")]


def inode_of(path: Path) -> tuple[int, int] | None:
    """Return device and inode of a file; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _remove_stale_journals(path: Path) -> None:
    """Remove the journal of a file that is gone: SQLite would take it for that of the new one."""
    if not path.exists():
        for journal in journals(path):
            journal.unlink(missing_ok=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one program at a time create a file there: SQLite doesn't wait for another that turns on WAL mode."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def connect(path: Path, *, durable: bool = False) -> sqlite3.Connection:
    """Open the file; a connection serves one thread at a time.

    A commit survives the death of the process either way, and with `durable` that of the machine too: it waits for the
    disk. https://sqlite.org/pragma.html#pragma_synchronous

    Raises:
        sqlite3.Error: the file can't be opened.

    """
    db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a log that is there to read one state of it; servers may go on writing.

    Raises:
        LogFileError: there is none, or it can't be read.

    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", timeout=_BUSY_SECONDS, uri=True)) as db:
            db.isolation_level = None
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version != _SCHEMA_VERSION:
                raise LogFileError(f"{path}: no prediction log of this release (format {version})")
            with snapshot(db):
                yield db
    except sqlite3.Error as error:
        raise LogFileError(f"{path}: {error}") from error


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Write all or nothing. Takes the write lock at once, since SQLite can't wait for one that is taken later."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a disk that is full ends it by itself
            db.execute("ROLLBACK")
        raise


@contextmanager
def snapshot(db: sqlite3.Connection) -> Iterator[None]:
    """Read from one state of the file; writers go on."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("ROLLBACK")


def id_at(ms: int) -> bytes:
    """Return the smallest id of a time in milliseconds."""
    return max(0, ms).to_bytes(6) + bytes(10)


def ms_of(prediction_id: bytes) -> int:
    """Return the time of an id."""
    return int.from_bytes(prediction_id[:6])
