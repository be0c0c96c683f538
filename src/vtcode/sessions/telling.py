"""A session told: for a terminal, as Markdown, as JSON."""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from vtcode import events
from vtcode.messages import Status
from vtcode.sessions.history import History
from vtcode.sessions.lines import local_minute
from vtcode.sessions.reading import ReadLog

_SHOWN: Final = 2_000
"""Characters of one result at a terminal."""


def as_json(read: ReadLog, history: History) -> dict[str, Any]:
    """Tell everything, in the words of `vtcode schema events`."""
    return {
        "session": msgspec.to_builtins(read.header) if read.header is not None else None,
        "turns": [
            {"number": turn.number, "at": turn.at, "events": [msgspec.to_builtins(fact) for fact in turn.facts]}
            for turn in history.turns
        ],
        "skipped_lines": read.skipped + history.skipped,
    }


def as_lines(read: ReadLog, history: History) -> Iterator[str]:
    """Tell it for a terminal; results are shortened. The lines are not safe to show yet."""
    header = read.header
    if header is not None:
        yield f"{header.id} · {header.model} · {header.workspace}"
    for turn in history.turns:
        yield f"\n── turn {turn.number} · {local_minute(turn.at)}"
        for fact in turn.facts:
            match fact:
                case events.TurnStarted(text=text):
                    yield f"› {text}"
                case events.MessageFinished(message=message):
                    if message.text:
                        yield message.text
                    for call in message.calls:
                        yield f"→ {call.name} {call.arguments}"
                case events.ToolFinished(result=result):
                    mark = "" if result.status is Status.OK else f"{result.status.value}: "
                    more = f"… ({len(result.text)} characters)" if len(result.text) > _SHOWN else ""
                    for line in f"{mark}{result.text[:_SHOWN]}{more}".splitlines():
                        yield f"  {line}"
                case events.Compacted(how=how):
                    yield f"(The conversation was made shorter: {how}.)"
                case events.TurnFinished(error=error) if error:
                    yield f"error: {error}"
                case _:
                    pass


def as_markdown(read: ReadLog, history: History) -> str:
    """Tell it as a document."""
    header = read.header
    parts = [f"# Session {header.id if header else ''}".rstrip()]
    if header is not None:
        parts.append(f"{header.created} · model {header.model} · `{header.workspace}`")
    for turn in history.turns:
        parts.append(f"## Turn {turn.number}")
        for fact in turn.facts:
            match fact:
                case events.TurnStarted(text=text):
                    parts.append("\n".join(f"> {line}".rstrip() for line in text.splitlines()))
                case events.MessageFinished(message=message):
                    if message.text:
                        parts.append(message.text)
                case events.ToolFinished(call=call, result=result):
                    parts.append(f"**{call.name}** ({result.status.value})")
                    parts += [_fenced(call.arguments, "json"), _fenced(result.text)]
                case events.TurnFinished(error=error) if error:
                    parts.append(f"*{error}*")
                case _:
                    pass
    return "\n\n".join(parts) + "\n"


def _fenced(text: str, language: str = "") -> str:
    """Put a text between fences that it cannot end."""
    longest = max((len(run) for run in re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
