"""The replies that make sense in the compact profile, as a schema: what a grammar then lets a model write."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from vtcode.guided import MAX_PATHS, folders_of, mentioned, shut_object
from vtcode.messages import AssistantMessage, Message, Status, ToolCall, ToolResult, UserMessage
from vtcode.providers import JsonObject, ToolSpec
from vtcode.told import asks_where, exchanged, lines_meant, paths_said, range_said, says_more, words_said
from vtcode.vocabulary import MOST_COPIED, MOST_LINES, WORD, answering, commands, rewriting, stretches

ANSWER: Final = "answer"

_FILE: Final = {"read_file": "path", "edit_file": "path"}
_FOLDER: Final = {"list_files": "path"}
_EITHER: Final = {"grep_file": "path"}
_OWN: Final = frozenset({*_FILE, *_FOLDER, *_EITHER, "write_file", "run_terminal_cmd"})
_MOST_APART: Final = 12
"""Lines of a file for which it is said one by one what they can become."""
_FOOTER: Final = re.compile(r"\n\[(?:lines \d+-\d+ of \d+|not UTF-8)[^\n]*\]\Z")
"""What a read says of itself below the lines."""
_SAID: Final[JsonObject] = {"$ref": "#/$defs/said"}
_COMMAND: Final[JsonObject] = {"$ref": "#/$defs/command"}
_LINE: Final[JsonObject] = {"$ref": "#/$defs/line"}
_SPOOLED: Final = re.compile(r"@output/\d{1,6}")


class Copied(msgspec.Struct, frozen=True):
    """What the arguments of a call can be copied from."""

    words: tuple[str, ...]
    """That the person wrote: what is searched for is one of them."""
    lines: dict[str, tuple[str, ...]]
    """Of each file that was read, those that are there once: an edit replaces one of them."""
    task: str = ""
    """What the person said last: of the files and folders that it names, where it names any, one is meant, and a
    file that is written is one of the other paths in it: those that are there are edited."""
    said: tuple[str, ...] = ()
    """Runs of words that the person wrote: the text of a file, and what other tools take, are of these."""
    commands: tuple[str, ...] = ()
    """Those of them that can be run."""
    is_searched: bool = False
    """Whether a search was made for the task: who asks where something is can be told now."""
    shown: tuple[str, ...] = ()
    """The task with its calls and their results, once there are any: an answer tells of nothing else."""


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
    named: tuple[str, ...] = ()
    if copied is not None:
        named = mentioned(files, copied.task)
        files = named or files
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
        for each in _held(tool.name, properties, copied, named):
            required = [name for name in each if name in tool.parameters.get("required", ()) or "const" in each[name]]
            arguments = shut_object(each) | {"required": required}
            branches.append(shut_object({"name": {"const": tool.name}, "arguments": arguments}))
    told = answering(copied.shown) if copied is not None and copied.shown else None
    answer = shut_object({"text": {"type": "string", "pattern": told} if told else {"type": "string"}})
    branches.append(shut_object({"name": {"const": ANSWER}, "arguments": answer}))
    schema: JsonObject = {"anyOf": branches}
    if copied is not None and copied.said:
        schema["$defs"] = {
            "said": {"enum": list(copied.said)},
            "line": {"enum": [f"{each}\n" for each in copied.said]},
        }
        # Of no choice at all, a schema cannot speak.
        if copied.commands:
            schema["$defs"]["command"] = {"enum": list(copied.commands)}
    return schema


def copied(messages: Sequence[Message], is_program: Callable[[str], bool] | None = None) -> Copied:
    """Collect what a call can only copy: words that the person wrote, and lines of files as they were last seen.

    Args:
        messages: the conversation.
        is_program: tells whether a word names a program; see `commands`.
    """
    words: dict[str, None] = {}
    texts: dict[str, list[str]] = {}
    calls: dict[str, ToolCall] = {}
    tasks: list[str] = []
    is_searched = False
    shown: list[str] = []
    for message in messages:
        match message:
            case UserMessage(text=text, by_program=False):
                tasks.insert(0, text)
                is_searched = False
                shown = [text]
                words |= dict.fromkeys(word for word in WORD.findall(text) if len(word) <= MOST_COPIED)
            case AssistantMessage():
                calls |= {call.id: call for call in message.calls}
                shown += [call.arguments for call in message.calls]
            case ToolResult(call_id=id, status=status, text=text) if id in calls:
                shown.append(text)
                if status is Status.OK:
                    _seen(texts, calls[id], text)
                    is_searched = is_searched or calls[id].name == "grep_file"
            case _:
                pass
    lines = {
        path: tuple(line for line in seen if len(line) <= MOST_COPIED and "\n".join(seen).count(line) == 1)
        for path, seen in texts.items()
        if len(seen) <= MOST_LINES
    }
    said = stretches(tasks)
    return Copied(
        tuple(words)[-MOST_LINES:],
        {path: found for path, found in lines.items() if found},
        tasks[0] if tasks else "",
        said,
        commands(said, tasks, is_program),
        is_searched,
        tuple(shown) if len(shown) > 1 else (),
    )


def _folders_named(folders: tuple[str, ...], text: str) -> tuple[str, ...]:
    words = {word.removesuffix("/") for word in words_said(text)}
    return tuple(folder for folder in folders if folder in words)


def _seen(texts: dict[str, list[str]], call: ToolCall, text: str) -> None:
    """Keep the lines that a call has shown, or made."""
    try:
        arguments = msgspec.json.decode(call.arguments, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return
    path = str(arguments.get("path"))
    match call.name:
        case "read_file":
            texts[path] = _lines(_FOOTER.sub("", text))
        case "write_file":
            texts[path] = _lines(str(arguments.get("content")))
        case "edit_file":
            old, new = str(arguments.get("old_str")), str(arguments.get("new_str"))
            texts[path] = [line for line in texts.get(path, []) if line != old] + _lines(new)
        case _:
            pass


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _held(tool: str, properties: JsonObject, copied: Copied | None, named: tuple[str, ...]) -> list[JsonObject]:
    """Give what the arguments of a call may be; several, where one depends on another; none, where it cannot be."""
    if copied is None:
        return [properties]
    match tool:
        case "read_file" | "run_terminal_cmd" if copied.is_searched and asks_where(copied.task):
            return []
        case "grep_file" if copied.words:
            return [{**properties, "pattern": {"enum": list(copied.words)}}]
        case "read_file" if named and (said := range_said(copied.task)):
            return [{**properties, "start": {"const": said[0]}, "end": {"const": said[1]}}]
        case "run_terminal_cmd":
            return [{**properties, "command": _COMMAND}] if copied.commands else []
        case "write_file":
            text = {"content": _LINE}
            if not copied.said:
                return []
            if not (paths := paths_said(copied.task)):
                return [properties | text]
            new = [path for path in paths if path.removeprefix("./") not in named]
            return [{**properties, "path": {"enum": new}} | text] if new else []
        case "edit_file":
            return [edit for path in copied.lines for edit in _edits(properties, path, copied)]
        case _ if tool not in _OWN:
            held = {name: _SAID if _is_free(schema) else schema for name, schema in properties.items()}
            return [held] if copied.said or held == properties else []
        case _:
            return [properties]


def _edits(properties: JsonObject, path: str, copied: Copied) -> list[JsonObject]:
    """Give the edits of a file: which line, and what it can become."""
    lines = copied.lines[path]
    if path not in properties["path"].get("enum", (path,)) or not says_more(copied.task, path, lines):
        return []
    meant = lines_meant(lines, path, copied.task)
    if len(meant) <= _MOST_APART:
        texts = [_edit(line, path, copied.task) for line in meant]
    else:
        pattern = rewriting(meant, copied.task)
        texts = (
            [{"old_str": {"enum": list(meant)}, "new_str": {"type": "string", "pattern": pattern}}] if pattern else []
        )
    return [{**properties, "path": {"const": path}} | text for text in texts]


def _edit(line: str, path: str, task: str) -> JsonObject:
    becomes = exchanged(line, path, task)
    new = {"const": becomes} if becomes else {"type": "string", "pattern": rewriting((line,), task)}
    return {"old_str": {"const": line}, "new_str": new}


def _is_free(schema: JsonObject) -> bool:
    return schema.get("type") == "string" and not schema.keys() & {"enum", "const", "pattern", "format"}


def spooled(messages: Sequence[Message]) -> tuple[str, ...]:
    texts = (message.text for message in messages if isinstance(message, ToolResult))
    return tuple(dict.fromkeys(name for text in texts for name in _SPOOLED.findall(text)))[-20:]
