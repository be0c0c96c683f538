"""The prompt that the default model is trained on: the compact profile's own words, through the model's template."""

import hashlib
import json
from collections.abc import Sequence
from typing import Final

import msgspec

from vtcode.compact import CompactProfile
from vtcode.messages import AssistantMessage, Message, Status, ToolCall, ToolResult, UserMessage
from vtcode.providers import Request, ToolSpec
from vtcode.situation import Situation
from vtcode.tools import TOOLS

TURN: Final = "<|im_start|>{role}\n{text}<|im_end|>\n"
"""What the template of SmolLM2-Instruct writes for a message."""
OPENING: Final = "<|im_start|>assistant\n"
ENDING: Final = "<|im_end|>"
ANSWER: Final = "answer"

SPECS: Final = tuple(ToolSpec(tool.name, tool.description, tool.parameters()) for tool in TOOLS)
"""The tools of a session without MCP servers."""


class Piece(msgspec.Struct, frozen=True):
    """A run of the rendered conversation."""

    text: str
    is_learned: bool
    """Whether the model writes it; all else it is only shown."""


def call(name: str, /, **arguments: object) -> AssistantMessage:
    """Write a call as the server's grammar spaces it."""
    return AssistantMessage(calls=(ToolCall("call", name, json.dumps(arguments, ensure_ascii=False)),))


def says(text: str) -> AssistantMessage:
    """Write the answer that ends a task."""
    return AssistantMessage(text=text)


def asks(text: str) -> UserMessage:
    """Write what the person says."""
    return UserMessage(text)


def result(name: str, text: str, *, is_error: bool = False) -> ToolResult:
    """Write what a tool returned."""
    return ToolResult("call", name, Status.ERROR if is_error else Status.OK, text)


def system_prompt(specs: tuple[ToolSpec, ...] = SPECS) -> str:
    """Give the instructions, up to where the conversation begins, as the template writes them."""
    return TURN.format(role="system", text=_request((), specs).system)


def pieces(messages: Sequence[Message], specs: tuple[ToolSpec, ...] = SPECS) -> list[Piece]:
    """Render a conversation after its instructions, as the server would, into what is shown and what is learned."""
    rendered: list[Piece] = []
    for message in _request(tuple(messages), specs).messages:
        match message:
            case AssistantMessage(text=text):
                rendered += [Piece(OPENING, False), Piece(text + ENDING, True), Piece("\n", False)]
            case UserMessage(text=text):
                rendered.append(Piece(TURN.format(role="user", text=text), False))
            case ToolResult():
                raise AssertionError("the compact profile writes results as the user's words")
    return rendered


def digest() -> str:
    """Name the format: another digest means that the adapter was trained on other prompts."""
    sample = (
        asks("What is the port in app.toml?"),
        call("read_file", path="app.toml", start=1, end=9),
        result("read_file", "port = 1"),
        says("The port is 1."),
    )
    text = system_prompt() + "".join(piece.text for piece in pieces(sample))
    return hashlib.sha256(text.encode()).hexdigest()


def _request(messages: tuple[Message, ...], specs: tuple[ToolSpec, ...]) -> Request:
    return CompactProfile(specs).request(
        Request(model="", system="", messages=()), Situation(messages=messages, step=1)
    )
