"""Server-sent events, the sending side (WHATWG HTML, section 9.2)."""

import msgspec

DONE = b"data: [DONE]\n\n"
"""How OpenAI ends a stream of Chat Completions chunks."""

_encode = msgspec.json.Encoder().encode


def event(value: msgspec.Struct, name: str = "") -> bytes:
    """Encode one value as an event; JSON never holds a raw newline, so one data line does."""
    head = b"event: " + name.encode() + b"\n" if name else b""
    return head + b"data: " + _encode(value) + b"\n\n"


def comment(text: str) -> bytes:
    """Encode a line that every client ignores: it keeps a quiet connection open."""
    return b": " + text.replace("\n", " ").encode() + b"\n\n"
