"""A conversation made shorter: what came to pass in a few words, then the newest messages word for word.

Pure. The shape is one that every chat template takes: a question of ours, the record as the answer to it, whole
turns, and the turn that goes on, with every call beside its result.
"""

import itertools
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from vtcode.budget import PER_MESSAGE, tokens_of_messages, tokens_of_text
from vtcode.messages import AssistantMessage, Message, Status, ToolResult, Usage, UserMessage

SUMMARY_REQUEST: Final = (
    "The conversation grows too long to go on with. Write down, for yourself, what is needed to go on without it: "
    "the task, what you found and changed (with paths), what was decided, what is left to do. At most 200 words, no "
    "tools."
)
RECORD_REQUEST: Final = "What happened so far?"
SUMMARY_TOKENS: Final = 800
"""Of a summary; a longer one is none."""

_CHANGES: Final = frozenset({"edit_file", "write_file", "apply_patch"})
_PATCHED: Final = re.compile(r"^(?:\*\*\* (?:Add|Update|Delete) File: |\+\+\+ (?:b/)?)(.+)$", re.MULTILINE)
_MOST_PATHS: Final = 40
_MOST_CALLS: Final = 12
_LONGEST_CALL: Final = 100
_EARLIER: Final = "Before that:\n"


def compacted(
    messages: Sequence[Message], *, target: int, keep_turns: int, summary: str = ""
) -> tuple[Message, ...] | None:
    """Make a conversation shorter; None when that is not possible.

    Args:
        messages: all of it. Every call has its result.
        target: tokens that the result may take. The newest message of the user is kept word for word in any case.
        keep_turns: how many of the newest turns are kept word for word as far as they fit, the last included.
        summary: what the model wrote about it; without one, the record is of facts only.
    """
    groups = _grouped(messages)
    spoken = [index for index, group in enumerate(groups) if _is_spoken(group[0])]
    if not spoken:
        return None
    last = spoken[-1]
    asked = groups[last]
    record = _record(messages, summary, max(target // 4, 64))
    opening: tuple[Message, ...] = (UserMessage(RECORD_REQUEST, by_program=True), AssistantMessage(text=record))
    room = target - tokens_of_messages((*opening, *asked))
    running = _fitting(groups[last + 1 :], room)
    room -= tokens_of_messages(running)
    before: list[Message] = []
    if len(running) == sum(map(len, groups[last + 1 :])):
        starts = spoken[-max(keep_turns, 1) :]
        for start, end in reversed(list(itertools.pairwise(starts))):
            turn = [message for group in groups[start:end] for message in group]
            room -= tokens_of_messages(turn)
            if room < 0:
                break
            before = turn + before
    result = (*opening, *map(_uncounted, [*before, *asked, *running]))
    return result if tokens_of_messages(result) < 0.9 * tokens_of_messages(messages) else None


def _grouped(messages: Sequence[Message]) -> list[list[Message]]:
    """Put each reply and the results of its calls together; they are kept or dropped together."""
    groups: list[list[Message]] = []
    for message in messages:
        if isinstance(message, ToolResult) and groups:
            groups[-1].append(message)
        else:
            groups.append([message])
    return groups


def _is_spoken(message: Message) -> bool:
    return isinstance(message, UserMessage) and not message.by_program


def _fitting(groups: list[list[Message]], room: int) -> list[Message]:
    """Take the newest steps that fit. Of the very newest the results are cut rather than lost."""
    kept: list[Message] = []
    for group in reversed(groups):
        size = tokens_of_messages(group)
        if size > room:
            if not kept:
                kept = _shortened(group, room)
            break
        room -= size
        kept = group + kept
    # After the user's message a reply must follow.
    while kept and isinstance(kept[0], UserMessage):
        del kept[0]
    return kept


def _shortened(group: list[Message], room: int) -> list[Message]:
    results = [message for message in group if isinstance(message, ToolResult)]
    fixed = tokens_of_messages(message for message in group if not isinstance(message, ToolResult))
    # A cut text is its share of the room, less what stands around it.
    share = (room - fixed) // max(len(results), 1) - PER_MESSAGE - tokens_of_text(_cut_note(10**9)) - 2
    if not results or share < 16:
        return []
    return [
        msgspec.structs.replace(message, text=_cut(message.text, share * 3))
        if isinstance(message, ToolResult)
        else message
        for message in group
    ]


def _cut(text: str, most: int) -> str:
    """Keep both ends of a text, in `most` bytes and a note about the rest."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most:
        return text
    half = most // 2
    head, tail = (piece.decode("utf-8", "ignore") for piece in (data[:half], data[-half:]))
    return f"{head}{_cut_note(len(text) - len(head) - len(tail))}{tail}"


def _cut_note(count: int) -> str:
    return f"\n[{count:,} characters left out when the conversation was made shorter]\n"


def _uncounted(message: Message) -> Message:
    """Drop what the server counted: it was the size of another conversation."""
    return msgspec.structs.replace(message, usage=Usage()) if isinstance(message, AssistantMessage) else message


# The record ----------------------------------------------------------------------------------------------


def _record(messages: Sequence[Message], summary: str, most: int) -> str:
    """Write down what happened, in `most` tokens."""
    earlier = _earlier(messages)
    since = messages[2:] if earlier else messages
    task = next((message.text for message in since if _is_spoken(message)), "")
    plan = _plan(since)
    changed = _changed(since)
    room = most * 3
    facts = [
        # A summary tells of the task and of what was before.
        *([] if summary or earlier or not task else [f"The first task was: {_line(task, room // 4)}"]),
        *([f"The plan:\n{_lines(plan, room // 5)}"] if plan else []),
        *([f"Files changed: {_line(', '.join(changed), room // 5)}"] if changed else []),
        *([] if summary else [f"The newest calls:\n{_lines(_calls(since), room // 5)}"] if _calls(since) else []),
    ]
    told = "\n".join(facts)
    left = room - len(told.encode("utf-8", "replace")) - len(_EARLIER) - 120
    if summary:
        told = f"{_cut(summary, max(left, 30))}\n{told}".strip()
    elif earlier:
        told = f"{_EARLIER}{_cut(earlier, max(left, 30))}\n{told}".strip()
    return _cut(told, max(room - 120, 30)) or "Nothing that matters now."


def _earlier(messages: Sequence[Message]) -> str:
    """Give the record that a conversation begins with when it was made shorter before."""
    match messages[:2]:
        case [UserMessage(text=text, by_program=True), AssistantMessage(text=record)] if text == RECORD_REQUEST:
            return record
        case _:
            return ""


def _plan(messages: Sequence[Message]) -> str:
    plans = (m.summary for m in reversed(messages) if isinstance(m, ToolResult) and m.name == "update_plan")
    return next((plan for plan in plans if plan), "")


def _changed(messages: Sequence[Message]) -> list[str]:
    done = {m.call_id for m in messages if isinstance(m, ToolResult) and m.status is Status.OK}
    calls = [call for m in messages if isinstance(m, AssistantMessage) for call in m.calls]
    paths = [path for call in calls if call.name in _CHANGES and call.id in done for path in _paths(call.arguments)]
    return list(dict.fromkeys(reversed(paths)))[:_MOST_PATHS]


def _paths(arguments: str) -> list[str]:
    try:
        given: dict[str, Any] = msgspec.json.decode(arguments.encode("utf-8", "replace"), type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return []
    path, patch = given.get("path"), given.get("patch")
    named = [path] if isinstance(path, str) else []
    return named + (_PATCHED.findall(patch) if isinstance(patch, str) else [])


def _calls(messages: Sequence[Message]) -> str:
    arguments = {call.id: call.arguments for m in messages if isinstance(m, AssistantMessage) for call in m.calls}
    results = [message for message in messages if isinstance(message, ToolResult)][-_MOST_CALLS:]
    return "\n".join(f"{m.name} {m.status} {_line(arguments.get(m.call_id, ''), _LONGEST_CALL)}" for m in results)


def _line(text: str, most: int) -> str:
    """Write a text into one line of so many bytes."""
    plain = " ".join(text.split())
    return plain if len(plain.encode("utf-8", "replace")) <= most else f"{_first(plain, most - 3)}…"


def _lines(text: str, most: int) -> str:
    return text if len(text.encode("utf-8", "replace")) <= most else f"{_first(text, most - 3)}…"


def _first(text: str, most: int) -> str:
    return text.encode("utf-8", "replace")[: max(most, 0)].decode("utf-8", "ignore")


def fits(text: str) -> bool:
    """Tell whether a reply is a summary: something, and not too much."""
    return bool(text.strip()) and tokens_of_text(text) <= SUMMARY_TOKENS * 2
