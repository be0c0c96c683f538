"""Stored responses: one SQLite file that outlives the server, with bounds on what it holds."""

import asyncio
import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

log = logging.getLogger("lmstudio")

T = TypeVar("T")

VERSION = 1
"""Of the tables; a file with a higher one was written by a newer server."""

MAX_RESPONSES = 10_000
MAX_BYTES = 1 << 30
"""Of all responses together; the ones that were not used for longest go first."""

MAX_HOPS = 1000
"""Responses that one conversation may be chained of."""

MAX_CONVERSATION = 32 << 20
"""Bytes that one conversation may be chained of: what a request may hold that sends it whole."""

_TABLES = """
CREATE TABLE IF NOT EXISTS responses (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    previous TEXT,
    used REAL NOT NULL,
    size INTEGER NOT NULL,
    response BLOB NOT NULL,
    input BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_use ON responses (used, size);
CREATE TABLE IF NOT EXISTS items (
    owner TEXT NOT NULL,
    item TEXT NOT NULL,
    response TEXT NOT NULL REFERENCES responses (id) ON DELETE CASCADE,
    PRIMARY KEY (owner, item, response)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_response ON items (response);
"""

_CHAIN = """
WITH RECURSIVE chain (id, previous, size, depth) AS (
    SELECT id, previous, size, 0 FROM responses WHERE id = :id AND owner = :owner
    UNION ALL
    SELECT older.id, older.previous, older.size, depth + 1
    FROM chain JOIN responses AS older ON older.id = chain.previous AND older.owner = :owner
    WHERE depth < :hops
)
SELECT id, previous, size FROM chain ORDER BY depth
"""

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A response, and the items that it was asked with, both as JSON."""

    id: str
    owner: str
    """Whose it is; nobody else finds it."""
    previous: str | None
    response: bytes
    input: bytes
    items: tuple[str, ...] = ()
    """Ids of its items, to be found by; not read back."""


class StoreError(Exception):
    """The file cannot be read or written now. The text is the reason."""


class MissingLink(Exception):
    """A response that a conversation needs is not there. The text is its id."""


class ConversationTooLong(Exception):
    """A conversation is chained of more than is read."""


class ResponseStore:
    """The stored responses. All work with the file is done on another thread, one call at a time."""

    def __init__(self, path: Path, *, max_responses: int = MAX_RESPONSES, max_bytes: int = MAX_BYTES) -> None:
        """Name the file; it is opened, and made where it is missing, by the first use."""
        self._path = path
        self._max_responses = max_responses
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    async def put(self, stored: Stored) -> None:
        """Keep a response, and let the least recently used go beyond the bounds. Raises `StoreError`."""
        await self._run(lambda connection: self._put(connection, stored))

    async def get(self, owner: str, name: str) -> Stored | None:
        """Find a response by its id. Raises `StoreError`."""
        return await self._run(lambda connection: _get(connection, owner, name))

    async def holding(self, owner: str, item: str) -> Stored | None:
        """Find a response that an item belongs to. Raises `StoreError`."""
        return await self._run(lambda connection: _holding(connection, owner, item))

    async def delete(self, owner: str, name: str) -> bool:
        """Forget a response; say whether it was there. Raises `StoreError`."""
        return await self._run(lambda connection: _delete(connection, owner, name))

    async def chain(self, owner: str, name: str) -> list[Stored]:
        """Give the response and all that it goes on from, oldest first.

        Raises:
            MissingLink: when it, or one that it goes on from, is not there.
            ConversationTooLong: beyond `MAX_HOPS` or `MAX_CONVERSATION`.
            StoreError: when the file cannot be read.
        """
        return await self._run(lambda connection: _chain(connection, owner, name))

    async def close(self) -> None:
        """Close the file, once nobody works with it; another use would open it again."""

        def close() -> None:
            with self._lock:
                self._close()

        await asyncio.to_thread(close)

    # The other thread -----------------------------------------------------------------------------------

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.to_thread(self._work, work)

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            try:
                return self._attempt(work)
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode & 0xFF not in _DAMAGED:
                    raise StoreError(str(error)) from error
                log.error("stored responses: %s is damaged (%s)", self._path, error)
            except OSError as error:
                raise StoreError(error.strerror or str(error)) from error
            try:
                self._move_aside("damaged")
                return self._attempt(work)
            except (sqlite3.DatabaseError, OSError) as error:
                raise StoreError(str(error)) from error

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = self._open()
        with self._connection:
            return work(self._connection)

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # What was said to a model is private; SQLite gives its side files the mode of the file itself.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(self._path, timeout=10, check_same_thread=False)
        try:
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                connection.close()
                log.error(
                    "stored responses: %s was written by a newer server (version %d, this one knows %d)",
                    self._path,
                    version,
                    VERSION,
                )
                self._move_aside("newer")
                return self._open()
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")
            if version == 0:
                connection.executescript(f"BEGIN IMMEDIATE;{_TABLES}PRAGMA user_version = {VERSION};COMMIT;")
            connection.execute("SELECT id, owner, previous, used, size FROM responses LIMIT 1").fetchall()
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _move_aside(self, why: str) -> None:
        """Keep the file under another name, with what SQLite has beside it, and begin a new one."""
        self._close()
        kept = self._path.with_name(f"{self._path.name}.{why}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self._path}{suffix}").rename(f"{kept}{suffix}")
        log.error("stored responses: the file is kept as %s; a new one is begun without its responses", kept)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _put(self, connection: sqlite3.Connection, stored: Stored) -> None:
        size = len(stored.response) + len(stored.input)
        connection.execute(
            "INSERT INTO responses VALUES (?, ?, ?, ?, ?, ?, ?)",
            (stored.id, stored.owner, stored.previous, time.time(), size, stored.response, stored.input),
        )
        connection.executemany(
            "INSERT OR IGNORE INTO items VALUES (?, ?, ?)", [(stored.owner, item, stored.id) for item in stored.items]
        )
        count, total = connection.execute("SELECT count(*), sum(size) FROM responses").fetchone()
        while count > self._max_responses or total > self._max_bytes:
            oldest = connection.execute(
                "SELECT id, size FROM responses WHERE id != ? ORDER BY used LIMIT 1", (stored.id,)
            ).fetchone()
            if oldest is None:
                break
            count, total = count - 1, total - oldest[1]
            connection.execute("DELETE FROM responses WHERE id = ?", (oldest[0],))


def _get(connection: sqlite3.Connection, owner: str, name: str) -> Stored | None:
    row = connection.execute(
        "SELECT id, owner, previous, response, input FROM responses WHERE id = ? AND owner = ?", (name, owner)
    ).fetchone()
    if row is None:
        return None
    return Stored(id=row[0], owner=row[1], previous=row[2], response=row[3], input=row[4])


def _holding(connection: sqlite3.Connection, owner: str, item: str) -> Stored | None:
    row = connection.execute(
        "SELECT response FROM items WHERE owner = ? AND item = ? LIMIT 1", (owner, item)
    ).fetchone()
    return _get(connection, owner, row[0]) if row else None


def _delete(connection: sqlite3.Connection, owner: str, name: str) -> bool:
    return connection.execute("DELETE FROM responses WHERE id = ? AND owner = ?", (name, owner)).rowcount > 0


def _chain(connection: sqlite3.Connection, owner: str, name: str) -> list[Stored]:
    # One hop more than allowed is asked for, so that a chain that is too long shows; a cycle, which only a
    # file from elsewhere could hold, is one.
    links: Sequence[tuple[str, str | None, int]] = connection.execute(
        _CHAIN, {"id": name, "owner": owner, "hops": MAX_HOPS}
    ).fetchall()
    if not links:
        raise MissingLink(name)
    if len(links) > MAX_HOPS or sum(size for _, _, size in links) > MAX_CONVERSATION:
        raise ConversationTooLong
    if missing := links[-1][1]:
        raise MissingLink(missing)
    now = time.time()
    connection.executemany("UPDATE responses SET used = ? WHERE id = ?", [(now, link[0]) for link in links])
    chain = [_get(connection, owner, link[0]) for link in reversed(links)]
    return [stored for stored in chain if stored is not None]
