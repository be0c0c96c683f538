"""An MCP server over HTTP: bounded responses, and a key that goes nowhere else."""

import contextlib
import ipaddress
from collections.abc import AsyncGenerator, Mapping
from typing import Final
from urllib.parse import urlsplit

import httpx2
from mcp.client.streamable_http import streamable_http_client

from vtcode.settings import McpServer

_MOST_RESPONSE: Final = 64_000_000


class McpError(Exception):
    """A server that cannot be used: which, why, and what to do."""


@contextlib.asynccontextmanager
async def connected(entry: McpServer, environ: Mapping[str, str]) -> AsyncGenerator[object]:
    """Connect as long as the context is open; redirects to another origin are not followed. Raises McpError."""
    headers = _authorisation(entry, environ)
    # Streams stay silent for as long as nothing happens; each call has its own deadline.
    timeout = httpx2.Timeout(entry.timeout_secs, read=None)
    async with (
        # No proxies of the environment: what is sent goes to that address and nowhere else.
        httpx2.AsyncClient(headers=headers, timeout=timeout, transport=_Transport(), trust_env=False) as client,
        streamable_http_client(entry.url or "", http_client=client) as streams,
    ):
        yield streams


class _Transport(httpx2.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Bounded(response.stream)
        return response


class _Bounded(httpx2.AsyncByteStream):
    """A response that ends where it gets too long."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        left = _MOST_RESPONSE
        async for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise httpx2.ReadError("the response is too long")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def _authorisation(entry: McpServer, environ: Mapping[str, str]) -> dict[str, str]:
    if entry.api_key_env is None:
        return {}
    key = environ.get(entry.api_key_env, "").strip()
    if not key:
        raise McpError(f"the variable {entry.api_key_env}, which is to hold its key, is not set")
    if not key.isascii() or not key.isprintable():
        raise McpError(f"the variable {entry.api_key_env} has characters that no key has")
    parts = urlsplit(entry.url or "")
    if parts.scheme != "https" and not _is_here(parts.hostname or ""):
        raise McpError("its key would go over http to another machine; use https")
    return {"Authorization": f"Bearer {key}"}


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
