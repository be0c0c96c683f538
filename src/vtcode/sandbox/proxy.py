"""The one way out of a box whose network is a list of hosts: a proxy that looks at each connection."""

import asyncio
import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from vtcode.text import visible

_WEB: Final = (80, 443)
_MOST_HEAD: Final = 1 << 14
_HEAD_SECONDS: Final = 10
_CONNECT_SECONDS: Final = 20
_MOST_AT_ONCE: Final = 64
_CHUNK: Final = 1 << 16

Ask = Callable[[str], Awaitable[bool]]
Note = Callable[[str, str | None], None]


class _Target(msgspec.Struct, frozen=True):
    host: str
    """In lower case, without brackets."""
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Door:
    """Lets connections to some hosts out, through a socket of a file that is bound into the box."""

    def __init__(self, hosts: Sequence[str], ask: Ask | None = None, note: Note | None = None) -> None:
        """Take what is let out.

        Args:
            hosts: `host`, `*.domain`, either with `:port`; without one the ports of the web are meant.
            ask: puts a question about another host to the person, whose yes holds as long as this; None for no.
            note: told of each connection before it is made, with the entry that lets it out; None where none does.
        """
        self._hosts = tuple(host.lower() for host in hosts)
        self._ask = ask
        self._note = note
        self._asking = asyncio.Lock()
        self._asked: dict[_Target, bool] = {}
        self._folder: Path | None = None
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> Path:
        """Return the socket; the first call makes it. Raises OSError."""
        if self._folder is None:
            self._folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="vtcode-door-")))
            self._server = await asyncio.start_unix_server(self._accept, self._folder / "door", limit=_MOST_HEAD)
        return self._folder / "door"

    async def close(self) -> None:
        """End all connections, and take the socket away."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if len(self._tasks) > _MOST_AT_ONCE:
                await _refuse(writer, "503 Too many connections", "Too many connections at once.")
                return
            await self._serve(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        method, address, version = line.decode("ascii").split(" ")
        if method == "CONNECT":
            target, first = _split(f"//{address}"), b""
        else:
            parts = urlsplit(address)
            if parts.scheme != "http":
                raise ValueError("only addresses of http come without CONNECT")
            target = _split(address)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            # One request a connection: the next could be meant for another host.
            kept = [header for header in rest.split(b"\r\n") if not _BETWEEN.match(header)]
            first = f"{method} {path} {version}\r\nConnection: close\r\n".encode("ascii") + b"\r\n".join(kept)
        addresses = await self._allowed(target)
        if not addresses:
            hint = "The user can add it to [sandbox] network."
            await _refuse(writer, "403 Forbidden", f"{target} is not among the hosts that commands may reach. {hint}")
            return
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                far_reader, far_writer = await asyncio.open_connection(addresses[0], target.port)
        except (OSError, TimeoutError):
            await _refuse(writer, "502 Bad Gateway", f"{target} cannot be reached.")
            return
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            far_writer.write(first)
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            far_writer.close()

    async def _allowed(self, target: _Target) -> list[str]:
        """Return the addresses to connect to: none where the host, or where its name leads, is not let out."""
        rule = next((host for host in self._hosts if _means(host, target)), None)
        if rule is None and await self._agreed(target):
            rule = str(target)
        found = await _resolve(target.host) if rule is not None else []
        is_exact = rule is not None and not rule.startswith("*.")
        addresses = [str(address) for address in found if _is_reachable(address, target.host, is_exact=is_exact)]
        if self._note is not None:
            self._note(str(target), rule if addresses else None)
        return addresses

    async def _agreed(self, target: _Target) -> bool:
        if self._ask is None:
            return False
        # One question at a time, and one a host.
        async with self._asking:
            if target not in self._asked:
                question = f"A command wants to reach {visible(str(target), one_line=True)}, from now on in this run."
                self._asked[target] = await self._ask(question)
            return self._asked[target]


_BETWEEN: Final = re.compile(rb"(?i)(proxy-[a-z-]+|connection|keep-alive|upgrade):")


def _split(address: str) -> _Target:
    parts = urlsplit(address)
    host, port = parts.hostname, parts.port or 80
    if not host or not host.isascii() or not host.isprintable() or parts.username is not None:
        raise ValueError("no host")
    return _Target(host.rstrip("."), port)


def _means(rule: str, target: _Target) -> bool:
    host, ports = rule, _WEB
    name, colon, port = rule.rpartition(":")
    if colon and port.isdecimal() and (name.endswith("]") or ":" not in name):
        host, ports = name, (int(port),)
    if target.port not in ports:
        return False
    return target.host.endswith(host[1:]) if host.startswith("*.") else target.host == host.strip("[]")


async def _resolve(host: str) -> list[IPv4Address | IPv6Address]:
    with contextlib.suppress(ValueError):
        return [ip_address(host)]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=1)
    except (OSError, UnicodeError):
        return []
    return [ip_address(entry[4][0]) for entry in found]


def _is_reachable(address: IPv4Address | IPv6Address, host: str, *, is_exact: bool) -> bool:
    """Keep a name of somebody else's from leading to this machine or its network.

    An address or `localhost` that the user named is meant; a name that the user named may lie in a private network.
    """
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    address = mapped or address
    if address.is_global and not address.is_multicast:
        return True
    if not is_exact or address.is_multicast or address.is_unspecified:
        return False
    is_named = host == "localhost" or host == str(address)
    return is_named or not (address.is_loopback or address.is_link_local or address.is_reserved)


async def _refuse(writer: asyncio.StreamWriter, status: str, why: str) -> None:
    body = f"{why}\n".encode()
    headers = ("Content-Type: text/plain", f"Content-Length: {len(body)}", "Connection: close")
    writer.write("\r\n".join((f"HTTP/1.1 {status}", *headers, "", "")).encode() + body)
    await writer.drain()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()
