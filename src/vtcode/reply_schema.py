"""The replies that make sense in the compact profile, as a schema: what a grammar then lets a model write."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from vtcode.guided import MAX_PATHS, folders_of, mentioned, shut_object
from vtcode.messages import AssistantMessage, Message, Status, ToolCall, ToolResult, UserMessage
from vtcode.providers import JsonObject, ToolSpec

ANSWER: Final = "answer"

_FILE: Final = {"read_file": "path", "edit_file": "path"}
_FOLDER: Final = {"list_files": "path"}
_EITHER: Final = {"grep_file": "path"}
_WORD: Final = re.compile(r"\w+(?:[.-]\w+)*")
_MOST_COPIED: Final = 200
"""Characters of a word or a line that can be copied."""
_MOST_LINES: Final = 400
"""Lines of a file, and words of the person, that can be copied from; a grammar of more takes long to make."""
_NAME: Final = re.compile(r"\w+(?:\.\d+)*")
_COMPARISON: Final = re.compile(r"(?<![\w<>!=-])(?:[<>]=?|[!=]=)(?![<>=])")
_RANGE: Final = re.compile(
    r"\blines? (\d{1,6})(?:(?: ?- ?| to | through | and )(\d{1,6}))?|\b(\d{1,6})(?:st|nd|rd|th) line", re.I
)
_GLUE: Final = frozenset(
    "a an and as at be by can class def else for from i if import in into is it line not of on or please return "
    "should that the this to use while will with you".split()
)
"""Words that say nothing about which line of a program is meant."""
_SPOOLED: Final = re.compile(r"@output/\d{1,6}")


class Copied(msgspec.Struct, frozen=True):
    """What the arguments of a call can be copied from."""

    words: tuple[str, ...]
    """That the person wrote: what is searched for is one of them."""
    lines: dict[str, tuple[str, ...]]
    """Of each file that was read, those that are there once: an edit replaces one of them."""
    task: str = ""
    """What the person said last: of the files and folders that it names, where it names any, one is meant, and a
    file that is written is a word of it."""


def reply_schema(
    tools: Sequence[ToolSpec], files: tuple[str, ...], outputs: tuple[str, ...] = (), copied: Copied | None = None
) -> JsonObject:
    """Describe the replies that make sense: a call of one of `tools` on paths that exist, or the answer.

    Args:
        tools: what may be called.
        files: the workspace's files, relative; of very many, none are enforced.
        outputs: names of spooled outputs, which can be read like files.
        copied: what else can only be copied, for a model too small to be trusted with it.
    """
    folders = (".", *sorted({folder for path in files for folder in folders_of(path)}))
    if copied is not None:
        files = mentioned(files, copied.task) or files
        folders = _folders_named(folders, copied.task) or folders
    choices = {
        **{tool: (argument, (*files, *outputs)) for tool, argument in _FILE.items()},
        **{tool: (argument, folders) for tool, argument in _FOLDER.items()},
        **{tool: (argument, (*folders, *files, *outputs)) for tool, argument in _EITHER.items()},
    }
    branches: list[JsonObject] = []
    for tool in tools:
        properties: JsonObject = dict(tool.parameters["properties"])
        argument, paths = choices.get(tool.name, ("", ()))
        if argument and not paths:
            continue
        if argument in properties and len(paths) <= MAX_PATHS:
            properties[argument] = {"enum": list(paths)}
        for each in _held(tool.name, properties, copied):
            required = [name for name in each if name in tool.parameters.get("required", ()) or "const" in each[name]]
            arguments = shut_object(each) | {"required": required}
            branches.append(shut_object({"name": {"const": tool.name}, "arguments": arguments}))
    answer = shut_object({"text": {"type": "string"}})
    branches.append(shut_object({"name": {"const": ANSWER}, "arguments": answer}))
    return {"anyOf": branches}


def copied(messages: Sequence[Message]) -> Copied:
    """Collect what a call can only copy: words that the person wrote, and lines of files as they were last seen."""
    words: dict[str, None] = {}
    texts: dict[str, list[str]] = {}
    calls: dict[str, ToolCall] = {}
    task = ""
    for message in messages:
        match message:
            case UserMessage(text=text, by_program=False):
                task = text
                words |= dict.fromkeys(word for word in _WORD.findall(text) if len(word) <= _MOST_COPIED)
            case AssistantMessage():
                calls |= {call.id: call for call in message.calls}
            case ToolResult(call_id=id, status=Status.OK, text=text) if id in calls:
                _seen(texts, calls[id], text)
            case _:
                pass
    lines = {
        path: tuple(line for line in seen if len(line) <= _MOST_COPIED and "\n".join(seen).count(line) == 1)
        for path, seen in texts.items()
        if len(seen) <= _MOST_LINES
    }
    return Copied(tuple(words)[-_MOST_LINES:], {path: found for path, found in lines.items() if found}, task)


def _folders_named(folders: tuple[str, ...], text: str) -> tuple[str, ...]:
    words = {word.removesuffix("/") for word in _said(text)}
    return tuple(folder for folder in folders if folder in words)


def _said(text: str) -> tuple[str, ...]:
    """Give the words of a text as paths are written, without what stands around them."""
    words = (word.lstrip("([{'\"`").rstrip(".,;:?!)]}'\"`") for word in text.split())
    return tuple(dict.fromkeys(word for word in words if word and len(word) <= _MOST_COPIED))[:_MOST_LINES]


def _seen(texts: dict[str, list[str]], call: ToolCall, text: str) -> None:
    """Keep the lines that a call has shown, or made."""
    try:
        arguments = msgspec.json.decode(call.arguments, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return
    path = str(arguments.get("path"))
    match call.name:
        case "read_file":
            texts[path] = _lines(text)
        case "write_file":
            texts[path] = _lines(str(arguments.get("content")))
        case "edit_file":
            old, new = str(arguments.get("old_str")), str(arguments.get("new_str"))
            texts[path] = [line for line in texts.get(path, []) if line != old] + _lines(new)
        case _:
            pass


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _held(tool: str, properties: JsonObject, copied: Copied | None) -> list[JsonObject]:
    """Give what the arguments of a call may be; several, where one depends on another; none, where it cannot be."""
    if copied is None:
        return [properties]
    if tool == "grep_file" and copied.words:
        return [{**properties, "pattern": {"enum": list(copied.words)}}]
    if tool == "write_file" and (said := _said(copied.task)):
        return [{**properties, "path": {"enum": list(said)}}]
    if tool == "read_file" and (said := _RANGE.search(copied.task)):
        first, last, ordinal = said.groups()
        start = int(first or ordinal)
        return [{**properties, "start": {"const": start}, "end": {"const": int(last or start)}}]
    if tool == "edit_file":
        return [
            {**properties, "path": {"const": path}, "old_str": {"enum": list(_meant(lines, path, copied.task))}}
            for path, lines in copied.lines.items()
            if path in properties["path"].get("enum", (path,))
        ]
    return [properties]


def _meant(lines: tuple[str, ...], path: str, task: str) -> tuple[str, ...]:
    """Give the lines of a file that hold a comparison that the task has; else a name or a value of it; else all."""
    for name in (path, path.rpartition("/")[2]):
        task = task.replace(name, " ")
    for kind in (_COMPARISON, _NAME):
        told = {token for token in kind.findall(task) if token.casefold() not in _GLUE}
        if found := tuple(line for line in lines if told.intersection(kind.findall(line))):
            return found
    return lines


def spooled(messages: Sequence[Message]) -> tuple[str, ...]:
    texts = (message.text for message in messages if isinstance(message, ToolResult))
    return tuple(dict.fromkeys(name for text in texts for name in _SPOOLED.findall(text)))[-20:]
