"""Tool calls that arrive as text, in the markers of each known family of models (ADR 11).

Pure: text and the offered tools in, calls and the text that is left out. Nothing is a call unless it names a tool
that was offered, and is either inside a family's own markers or the whole reply.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from vtcode.messages import ToolCall
from vtcode.providers import ToolSpec
from vtcode.providers.callforms import END_TOKENS, MAX_CALLS, read_marked, read_objects
from vtcode.providers.markers import OPENINGS, openings


class Recovered(msgspec.Struct, frozen=True):
    """What a reply came to."""

    text: str
    """Without the calls."""
    calls: tuple[ToolCall, ...]


# The whole -----------------------------------------------------------------------------------------------


def recover(text: str, tools: Sequence[ToolSpec], prefix: str = "call") -> Recovered:
    """Find the calls in a finished reply; without any, the text comes back as it is.

    Args:
        text: the reply.
        tools: those that were offered.
        prefix: how the ids of the calls begin.
    """
    offered = {tool.name: tool for tool in tools}
    calls: list[tuple[str, str]] = []
    left: list[str] = []
    kept = 0
    for at in openings(text):
        if at < kept or len(calls) >= MAX_CALLS:
            continue
        found = read_marked(text, at, offered)
        if found is None or not _ends_well(text, found.end):
            continue
        calls += found.calls
        left.append(text[kept:at])
        kept = found.end
    if calls:
        rest = _without_results(text[kept:])
        return Recovered(_tidied("".join((*left, rest))), _numbered(calls, prefix))
    thought, answer = _split_thought(text)
    whole = _whole(answer, offered)
    return Recovered(thought.strip(), _numbered(whole, prefix)) if whole else Recovered(text, ())


def _numbered(calls: list[tuple[str, str]], prefix: str) -> tuple[ToolCall, ...]:
    return tuple(
        ToolCall(f"{prefix}_{number}", name, arguments) for number, (name, arguments) in enumerate(calls[:MAX_CALLS])
    )


_HARMONY: Final = re.compile(
    r"<\|start\|>assistant(?=<\|channel\|>)|<\|channel\|>(?:analysis|final|commentary)\s*<\|message\|>"
)
_RESULT: Final = re.compile(r"<tool_response>|\[TOOL_RESULTS?\]|<\|start\|>functions|<\|start_header_id\|>ipython")


def _ends_well(text: str, end: int) -> bool:
    """Tell whether what follows a call is not the rest of a sentence: then the call is only spoken of."""
    rest = text[end : end + 200].lstrip(" \t")
    if not rest or rest[0] in "\n\r":
        return True
    return rest.startswith(OPENINGS) or bool(END_TOKENS.match(rest) or _RESULT.match(rest))


def _without_results(text: str) -> str:
    """Drop a result that the model made up, and all it went on to say about it."""
    made_up = _RESULT.search(text)
    return text[: made_up.start()] if made_up else text


def _tidied(text: str) -> str:
    return _HARMONY.sub("", END_TOKENS.sub("", text)).strip()


def _split_thought(text: str) -> tuple[str, str]:
    """Part what a model thought aloud from its answer."""
    thought, mark, answer = text.rpartition("</think>")
    return thought + mark, answer


# Replies that are a call from end to end -----------------------------------------------------------------

_INFO: Final = frozenset({"", "json", "tool_call", "tool_calls", "xml"})
"""What stands behind the marks of a fence that may hold a call."""


def _whole(text: str, offered: dict[str, ToolSpec]) -> list[tuple[str, str]]:
    plain = END_TOKENS.sub("", text).strip()
    if plain.startswith("```") and plain.endswith("```"):
        info, _, inside = plain[3:-3].partition("\n")
        plain = inside.strip() if info.strip() in _INFO else ""
        if plain.startswith(OPENINGS):
            found = read_marked(plain, 0, offered)
            return found.calls if found and not plain[found.end :].strip() else []
    if not plain.startswith(("{", "[")):
        return []
    found = read_objects(plain, 0, offered, is_strict=True)
    return found.calls if found and not plain[found.end :].strip(" \t\r\n;") else []
