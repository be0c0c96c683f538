"""Control tokens in what was said: text that must not end its own turn, or open another's.

llama.cpp reads a rendered prompt with all control tokens in force, so a message that holds `<|im_end|>` would
break out of its role. A zero-width space after the first character leaves it readable, and makes it text.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import msgspec

from lmserver.engines import GenerationRequest, JsonObject
from lmserver.errors import BadModelFile
from lmserver.gguf import read_tokens

_CONTROL, _USER_DEFINED = 3, 4
_OWN = frozenset({"<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"})
"""What belongs into an assistant's own turn, where templates take it apart again."""

_BREAK = "\u200b"
_MARKER = re.compile(r"<\|[^|<>{}\s]{1,40}\|>|<(?:start|end)_of_turn>")


def markers_of(template: str) -> frozenset[str]:
    """Find the turn markers that a chat template writes; a model without such tokens has them as plain text."""
    return frozenset(_MARKER.findall(template))


class Vocabulary(msgspec.Struct, frozen=True):
    """What the engine has to know of a model's tokens."""

    size: int = 0
    """0 when it is not known."""
    control: tuple[str, ...] = ()
    """The texts that llama.cpp reads as control tokens."""

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """Read it from a model file; a file without one gives an empty vocabulary."""
        try:
            texts, types = read_tokens(path)
        except (BadModelFile, OSError):
            return cls()
        control = [text for text, kind in zip(texts, types, strict=True) if _is_control(text, kind)]
        return cls(len(texts), tuple(control))


def _is_control(text: str, kind: int) -> bool:
    # Some converters mark turn markers as words of the user's.
    is_marked = kind == _CONTROL or (kind == _USER_DEFINED and text.startswith("<|"))
    return is_marked and len(text) > 2


class Defuser:
    """Takes the force from control tokens in requests to one model."""

    def __init__(self, control: Iterable[str]) -> None:
        everything = sorted(control, key=len, reverse=True)
        self._everywhere = _pattern(everything)
        self._assistant = _pattern([text for text in everything if text not in _OWN])

    def request(self, request: GenerationRequest) -> GenerationRequest:
        """Give the request with messages and tool definitions that hold no control token."""
        if self._everywhere is None:
            return request
        return msgspec.structs.replace(
            request,
            messages=[self._message(message) for message in request.messages],
            tools=[_each_text(tool, self._everywhere) for tool in request.tools],
        )

    def _message(self, message: JsonObject) -> JsonObject:
        pattern = self._assistant if message["role"] == "assistant" else self._everywhere
        return message if pattern is None else _each_text(message, pattern)


def _pattern(texts: list[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(re.escape, texts))) if texts else None


def _each_text(node: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(node, str):
        return pattern.sub(lambda found: found[0][0] + _BREAK + found[0][1:], node)
    if isinstance(node, list):
        return [_each_text(child, pattern) for child in cast("list[Any]", node)]
    if isinstance(node, dict):
        return {
            _each_text(name, pattern): _each_text(child, pattern) for name, child in cast("JsonObject", node).items()
        }
    return node
