"""One streamed request to the child over a connection of its own: HTTP/1.1 as far as the child speaks it.

Every token of every reply passes here, which is why this is no general client: that costs three times the processor
time, and the engine needs it.
"""

import asyncio
from collections.abc import AsyncGenerator

_LIMIT = 1 << 20
"""Bytes of a line or head that are read at most."""


class BrokenStream(OSError):
    """The child closed its connection too early, or wrote what is not HTTP."""


class Refused(Exception):
    """The child answered with another status than 200; `body` says why."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.body = body


async def events(host: str, port: int, head: bytes, body: bytes) -> AsyncGenerator[bytes]:
    """Send a request, and give the data of each server-sent event; closing the iterator closes the connection.

    Args:
        host: where the child listens.
        port: its TCP port.
        head: request line and headers, without those of the body.
        body: the JSON to send.

    Raises:
        Refused: for a status other than 200.
        OSError: when the connection could not be made, or broke.
    """
    reader, writer = await asyncio.open_connection(host, port, limit=_LIMIT)
    try:
        writer.write(b"%sContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (head, len(body), body))
        try:
            status, is_chunked = _read_head(await reader.readuntil(b"\r\n\r\n"))
            if status != 200 or not is_chunked:
                raise Refused(
                    b"".join([part async for part in _chunks(reader)]) if is_chunked else await reader.read()
                )
            rest = b""
            async for part in _chunks(reader):
                *whole, rest = (rest + part).split(b"\n\n")
                for event in whole:
                    if event.startswith(b"data: "):
                        yield event[6:]
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError) as error:
            raise BrokenStream(str(error)) from error
    finally:
        # What is left unread is of no use: the child sees at once that nobody listens.
        writer.transport.abort()


def _read_head(head: bytes) -> tuple[int, bool]:
    line, *headers = head.lower().split(b"\r\n")
    return int(line.split()[1]), any(
        each.startswith(b"transfer-encoding:") and b"chunked" in each for each in headers
    )


async def _chunks(reader: asyncio.StreamReader) -> AsyncGenerator[bytes]:
    """Give the body's chunks (RFC 9112, section 7.1) up to the last one, which is empty."""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        yield (await reader.readexactly(size + 2))[:-2]
