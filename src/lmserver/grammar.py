"""Grammars for LLGuidance, the compiler in the engine: written, tried out, and used to match patterns.

The engine drops the compiler's errors and goes on without a grammar. So each grammar is compiled here first,
within limits, and a pattern is matched by the automaton that enforces it: Python's own `re` takes time without
end for some patterns.
"""

import functools
import json
import re
from typing import Any

from llguidance import LLMatcher, LLParserLimits, LLTokenizer

JsonObject = dict[str, Any]

# Separators as Jinja's `tojson` writes them: the call then stands in the prompt cache as it was generated.
_GUIDANCE = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "coerce_one_of": True,
    "lenient": True,
}
_HEADER = "%llguidance {}\n"
# Far above what real schemas need, and some tenths of a second for the worst of them.
_LIMITS = LLParserLimits(initial_lexer_fuel=1_000_000, max_grammar_size=500_000)
_UNKNOWN_KEYS = re.compile(r"Unimplemented keys: (\[.*?\])")
_CAUSE = re.compile(r"failed to compile JSON schema: (.*?)(?:\n +\d+ \| |\Z)", re.DOTALL)


class Uncompiled(Exception):
    """A grammar that the engine could not follow; the text is the compiler's reason."""


def value(schema: JsonObject) -> str:
    """Write the rule body of one JSON value that `schema` accepts."""
    return "%json " + json.dumps(schema | {"x-guidance": _GUIDANCE})


def of(start: str, **rules: str) -> str:
    """Write a whole grammar: the body of its start rule, and the other rules' bodies by name."""
    lines = [f"start: {start}", *(f"{name}: {body}" for name, body in rules.items())]
    return _HEADER + "\n".join(lines)


def ignored_keywords(schema: JsonObject) -> list[str]:
    """Compile a schema, and list the keywords in it that the compiler knows of and leaves out.

    Raises:
        Uncompiled: with the reason.
    """
    failed, messages = LLMatcher.validate_grammar_with_warnings(of(value(schema)), limits=_LIMITS)
    if failed:
        raise Uncompiled(_reason("".join(messages)))
    matcher = LLMatcher(_bytes(), of(value(schema)), log_level=0, limits=_LIMITS)
    # Some limits are met only when the first token is asked for, as the engine does it.
    matcher.compute_logit_bias()
    if matcher.is_error():
        raise Uncompiled(_reason(matcher.get_error()))
    found = [name for message in messages for names in _UNKNOWN_KEYS.findall(message) for name in json.loads(names)]
    return sorted(set(found))


@functools.lru_cache(maxsize=32)
def pattern_fault(pattern: str) -> str | None:
    """Say why a `pattern` cannot be enforced, or None when it can."""
    try:
        ignored_keywords({"type": "string", "pattern": pattern})
    except Uncompiled as error:
        return str(error)
    return None


def matches(pattern: str, text: str) -> bool:
    """Tell whether `pattern` is found in `text`, in time that is linear in the text."""
    matcher = _matcher(pattern).deep_copy()
    raw = list(json.dumps(text, ensure_ascii=False).encode(errors="replace"))
    return matcher.try_consume_tokens(raw) == len(raw) and matcher.is_accepting()


class Follower:
    """Follows a reply under its grammar: the engine, whose compiler is another build, may have dropped it."""

    def __init__(self, grammar: str) -> None:
        self._matcher = LLMatcher(_bytes(), grammar, log_level=0, limits=_LIMITS)

    def allows(self, text: str) -> bool:
        """Take what was written next, and tell whether the grammar lets it stand there."""
        raw = list(text.encode(errors="replace"))
        return self._matcher.try_consume_tokens(raw) == len(raw)


@functools.lru_cache(maxsize=32)
def _matcher(pattern: str) -> LLMatcher:
    return LLMatcher(_bytes(), of(value({"type": "string", "pattern": pattern})), log_level=0, limits=_LIMITS)


@functools.cache
def _bytes() -> LLTokenizer:
    """Give the tokenizer whose tokens are the 256 bytes."""
    return LLTokenizer("byte")


def _reason(message: str) -> str:
    found = _CAUSE.search(message)
    cause = (found.group(1) if found else message).strip()
    # The pattern itself is repeated in the message, with a caret below it: only the last line says why.
    lines = [line.strip() for line in cause.splitlines() if line.strip(" ^")]
    return lines[-1].removeprefix("error: ")[:200] if lines else "it does not compile"
