"""Where a tool call may begin in a text: what is not shown while it comes in, and looked into afterwards."""

import re
from collections.abc import Iterator
from typing import Final

OPENINGS: Final = (
    "<tool_call>",  # Hermes, Qwen, GLM
    "<function=",  # Llama 3.1, Qwen3-Coder
    "<function_call>",
    "<|python_tag|>",  # Llama 3
    "[TOOL_CALLS]",  # Mistral
    "[TOOL_REQUEST]",  # LM Studio
    "<|channel|>",  # gpt-oss
    "<|start|>assistant",
    "```tool_code",  # Gemma
    "<｜tool▁calls▁begin｜>",  # DeepSeek
    "<｜tool▁call▁begin｜>",
    "<|tool_calls_section_begin|>",  # Kimi
    "<|tool_call_begin|>",
)

_DECIDED: Final = 400
"""Characters of a reply that tell whether it may be a call from end to end."""

_MAX_TRIES: Final = 64
"""Markers of one reply that are looked into."""

_TOKEN: Final = re.compile(
    "|".join(
        (
            r"(?P<think></?think>)",
            f"(?P<opening>{'|'.join(map(re.escape, OPENINGS))})",
            r"(?P<fence>(?:(?<=\n)|\A)[ \t]{0,3}(?:```+|~~~+))",
            r"(?P<line>\n)",
            r"(?P<code>`+)",
        )
    )
)
_LITERALS: Final = (*OPENINGS, "<think>", "</think>")
_BEGINNINGS: Final = frozenset(literal[:size] for literal in _LITERALS for size in range(1, len(literal)))
_LONGEST: Final = max(map(len, _LITERALS)) - 1
# A line break waits for what the next line begins with.
_OPEN_END: Final = re.compile(r"(?:\n[ \t]{0,3})?(?:`{1,20}|~{1,20})?\Z")


class _Walk:
    """Goes through a text once, and knows what of it is quoted as code or thought."""

    def __init__(self) -> None:
        self._in_fence = False
        self._in_code = False
        self._in_thought = False

    def find(self, text: str, at: int, limit: int) -> tuple[int | None, int]:
        """Find the next opening that begins before `limit` and is not quoted; give it, and how far the walk came."""
        while (token := _TOKEN.search(text, at)) and token.start() < limit:
            at = token.end()
            match token.lastgroup:
                case "opening" if not (self._in_fence or self._in_code or self._in_thought):
                    return token.start(), at
                case "think":
                    self._in_thought = token.group() == "<think>"
                case "fence":
                    self._in_fence, self._in_code = not self._in_fence, False
                case "line":
                    self._in_code = False
                case "code" if not self._in_fence:
                    self._in_code = not self._in_code
                case _:
                    pass
        return None, max(at, limit)


def openings(text: str) -> Iterator[int]:
    """Find where calls may begin in a whole text."""
    walk, at = _Walk(), 0
    for _ in range(_MAX_TRIES):
        found, at = walk.find(text, at, len(text))
        if found is None:
            return
        yield found


class Sieve:
    """Lets a reply through as it comes, up to where a call may begin."""

    def __init__(self) -> None:
        self._walk = _Walk()
        self._held: list[str] = []
        """What was held back for good: from a marker on, or all of a reply that may be a call as a whole."""
        self._tail = ""
        """What came and was not let through yet, after one character that was."""
        self._let_through = 0
        """How much of the tail that is."""
        self._is_beginning = True
        self._is_closed = False

    def add(self, text: str) -> str:
        """Take in more of the reply, and give what of it can be shown."""
        if self._is_closed:
            self._held.append(text)
            return ""
        self._tail += text
        if self._is_beginning:
            if may_be_whole(self._tail):
                self._close_if_decided()
                return ""
            self._is_beginning = False
        limit = len(self._tail) - _open_end(self._tail)
        opening, at = self._walk.find(self._tail, self._let_through, limit)
        end = at if opening is None else opening
        shown = self._tail[self._let_through : end]
        if opening is None:
            keep = max(0, end - 1)
            self._tail, self._let_through = self._tail[keep:], end - keep
        else:
            self._is_closed = True
            self._held.append(self._tail[end:])
            self._tail, self._let_through = "", 0
        return shown

    def _close_if_decided(self) -> None:
        if len(self._tail) > _DECIDED:
            self._is_closed = True
            self._held.append(self._tail)
            self._tail = ""

    def rest(self) -> str:
        """Give what was held back, at the end of the reply."""
        return self._tail[self._let_through :] + "".join(self._held)

    @property
    def is_plain(self) -> bool:
        """Tell whether what is held back is only the end of a line of text, and no marker."""
        return not self._is_closed and not self._is_beginning


def _open_end(text: str) -> int:
    """Count the characters at the end that may be the first half of a token."""
    tail = text[-_LONGEST:]
    half = next((size for size in range(len(tail), 0, -1) if tail[-size:] in _BEGINNINGS), 0)
    line = _OPEN_END.search(text, max(0, len(text) - 24))
    return max(half, len(text) - line.start() if line else 0)


# Replies that may be a call from end to end ----------------------------------------------------------------

_FIRST_KEYS: Final = ('"name"', '"function"', '"type"', '"parameters"', '"arguments"', '"id"', '"tool_name"')
_HEAD: Final = re.compile(r"\s*(?:```[ \t]*(?:json|tool_calls?|xml)?[ \t]*\n\s*)?(?:\[\s*)?(?:\{\s*)?")
_HALF_FENCE: Final = re.compile(
    r"\s*`{1,3}[ \t]*(?:json|jso|js|j|tool_calls?|tool_?[cal]{0,3}|too|to|t|xml|xm|x)?[ \t]*\Z"
)


def may_be_whole(text: str) -> bool:
    """Tell whether a reply that begins so may turn out to be a call from end to end."""
    if not text.strip():
        # Space before anything else is shown with what comes.
        return len(text) < 200
    beginning = text[:300]
    if len(text) < 40 and _HALF_FENCE.match(text):
        return True
    head = _HEAD.match(beginning)
    assert head is not None, "all of its parts may be missing"
    opened, rest = head.group().strip(), beginning[head.end() :]
    if not opened:
        return False
    if not rest:
        return True
    if opened.endswith("{"):
        return rest.startswith(_FIRST_KEYS) or any(key.startswith(rest) for key in _FIRST_KEYS)
    return opened.startswith("```") and rest.startswith("<")
