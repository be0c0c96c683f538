"""Which MCP servers the user approved: by what is started, and by the tools it had then."""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shlex
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from vtcode.settings import McpServer
from vtcode.text import visible

if TYPE_CHECKING:
    from vtcode.tools.mcp_server import Listed

_MOST_BYTES: Final = 1 << 20


class _Approval(msgspec.Struct, frozen=True):
    name: str
    """For people; what counts is the digest that this stands under."""
    tools: str


class _Store(msgspec.Struct):
    version: int = 1
    approved: dict[str, _Approval] = msgspec.field(default_factory=dict[str, _Approval])
    """By the digest of the entry."""


class Approvals:
    """The approvals in a file of the user's state folder; a file that cannot be read approves nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def knows(self, name: str, entry: McpServer, root: Path) -> bool:
        """Tell whether this very entry was approved."""
        return _entry_digest(name, entry, root) in self._read().approved

    def covers(self, name: str, entry: McpServer, root: Path, tools: Iterable["Listed"]) -> bool:
        """Tell whether it was approved with these very tools."""
        approval = self._read().approved.get(_entry_digest(name, entry, root))
        return approval is not None and approval.tools == _tools_digest(tools)

    def approve(self, name: str, entry: McpServer, root: Path, tools: Iterable["Listed"]) -> None:
        """Keep an approval. Raises OSError when it cannot be kept."""
        with self._locked():
            store = self._read()
            store.approved[_entry_digest(name, entry, root)] = _Approval(name, _tools_digest(tools))
            self._write(store)

    def forget(self, name: str) -> None:
        """Drop all approvals of a name. Raises OSError when that cannot be kept."""
        with self._locked():
            store = self._read()
            store.approved = {key: kept for key, kept in store.approved.items() if kept.name != name}
            self._write(store)

    def _read(self) -> _Store:
        try:
            with self._path.open("rb") as file:
                return msgspec.json.decode(file.read(_MOST_BYTES), type=_Store)
        except (OSError, msgspec.MsgspecError, RecursionError):
            return _Store()

    def _write(self, store: _Store) -> None:
        aside = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(store)))
                file.flush()
                os.fsync(file.fileno())
            aside.replace(self._path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        """Keep two programs from losing each other's approvals."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def described(entry: McpServer) -> str:
    """Write what an entry starts or where it leads, for the person who approves it.

    The values of variables are shown where a repository sets them, since they may have the server run something else
    (`LD_PRELOAD`); the user's own may be keys.
    """
    if entry.url is not None:
        key = f", with the key in {entry.api_key_env}" if entry.api_key_env else ""
        return visible(f"  {entry.url}{key}")
    if _is_users(entry):
        variables = f"\n  with {', '.join(sorted(entry.env))} set" if entry.env else ""
    else:
        variables = "".join(f"\n  with {name}={shlex.quote(value)}" for name, value in sorted(entry.env.items()))
    return visible(f"  {shlex.join((entry.command or '', *entry.args))}{variables}")


def _entry_digest(name: str, entry: McpServer, root: Path) -> str:
    """Digest what would be started. An entry that a repository brings is approved for that repository alone."""
    return _digest(
        [
            name,
            entry.command,
            list(entry.args),
            sorted(entry.env.items()),
            entry.url,
            entry.api_key_env,
            "" if _is_users(entry) else str(root),
        ]
    )


def _is_users(entry: McpServer) -> bool:
    return os.path.isabs(entry.source)


def _tools_digest(tools: Iterable["Listed"]) -> str:
    return _digest([[tool.name, tool.description, tool.schema] for tool in tools])


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()
