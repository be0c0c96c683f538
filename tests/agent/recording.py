"""A scripted model behind a raw server that keeps what it was asked, byte for byte."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.agent.support import Reply
from tests.support.faults import STREAM_HEAD, FaultServer, fault_server, response
from tests.support.processes import clean_environment

Body = dict[str, Any]


@dataclass
class Recording:
    """A server, and a workspace beside it."""

    server: FaultServer
    home: Path
    workspace: Path
    environment: dict[str, str]

    @property
    def bodies(self) -> list[Body]:
        """Return the requests for replies so far."""
        return [
            json.loads(request.partition(b"\r\n\r\n")[2]) for request in self.server.requests if _is_chat(request)
        ]


def _is_chat(request: bytes) -> bool:
    return request.startswith(b"POST")


@contextlib.contextmanager
def recording(home: Path, *replies: Reply | bytes, **card: object) -> Iterator[Recording]:
    """Answer each request with the next reply, and further ones with the last.

    Args:
        replies: as the scripted server has them, or the bytes of an answer.
        card: what the list says of the model, its id apart.
    """
    workspace = home / "work"
    workspace.mkdir(exist_ok=True)
    count = 0

    def answer(request: bytes) -> bytes:
        nonlocal count
        reply = replies[min(count, len(replies) - 1)]
        count += 1
        return reply if isinstance(reply, bytes) else stream(reply, count, len(request) // 4)

    listing = response(200, json.dumps({"data": [{"id": "m", **card}]}).encode())
    with fault_server(answer, listing=listing) as server:
        environment = clean_environment(home, {"LMSTUDIO_BASE_URL": server.url})
        yield Recording(server, home, workspace, environment)


def stream(reply: Reply, count: int = 1, prompt: int = 0, cached: int = 0) -> bytes:
    """Write a reply as a stream of chunks."""
    calls: Any = reply.get("calls", [])
    tools = [
        {
            "index": index,
            "id": f"id{count}-{index}",
            "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])},
        }
        for index, call in enumerate(calls)
    ]
    delta = {"content": reply.get("text", ""), **({"tool_calls": tools} if tools else {})}
    chunks: list[object] = [
        {"choices": [{"delta": delta}]},
        {"choices": [{"delta": {}, "finish_reason": "tool_calls" if tools else "stop"}]},
        {
            "choices": [],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": cached},
            },
        },
    ]
    lines = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return STREAM_HEAD + f"{lines}data: [DONE]\n\n".encode()
