"""Which MCP servers the user approved: by what is started, and by the tools it had then."""

import hashlib
import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vtcode.settings import McpServer
from vtcode.store import Store
from vtcode.text import visible

if TYPE_CHECKING:
    from vtcode.tools.mcp_server import Listed


class _Approval(msgspec.Struct, frozen=True):
    name: str
    """For people; what counts is the digest that this stands under."""
    tools: str


class _Approved(msgspec.Struct):
    version: int = 1
    approved: dict[str, _Approval] = msgspec.field(default_factory=dict[str, _Approval])
    """By the digest of the entry."""


class Approvals:
    """The approvals in a file of the user's state folder; a file that cannot be read approves nothing."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path, _Approved)

    def knows(self, name: str, entry: McpServer, root: Path) -> bool:
        """Tell whether this very entry was approved."""
        return _entry_digest(name, entry, root) in self._store.read().approved

    def covers(self, name: str, entry: McpServer, root: Path, tools: Iterable["Listed"]) -> bool:
        """Tell whether it was approved with these very tools."""
        approval = self._store.read().approved.get(_entry_digest(name, entry, root))
        return approval is not None and approval.tools == _tools_digest(tools)

    def approve(self, name: str, entry: McpServer, root: Path, tools: Iterable["Listed"]) -> None:
        """Keep an approval. Raises OSError when it cannot be kept."""
        with self._store.changing() as kept:
            kept.approved[_entry_digest(name, entry, root)] = _Approval(name, _tools_digest(tools))

    def forget(self, name: str) -> None:
        """Drop all approvals of a name. Raises OSError when that cannot be kept."""
        with self._store.changing() as kept:
            kept.approved = {key: one for key, one in kept.approved.items() if one.name != name}


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
