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
_RANGE: Final = re.compile(
    r"\blines? (\d{1,6})\b(?>(?:(?: ?- ?| to | through | and )(?:line )?(\d{1,6})\b)?)(?!, ?(?:\d|in\b))"
    r"|(?<!to )(?<!to the )(?<!and )(?<!and the )\b(\d{1,6})(?:st|nd|rd|th) line\b",
    re.I,
)
"""Lines that a person speaks of by their numbers; a traceback's `line 7, in` and lists are none."""
_NAME: Final = re.compile(r"\w+(?:\.\d+)*")
_PART: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_COMPARISON: Final = re.compile(r"(?<![^\s'\"`(])(?:[<>]=?|[!=]=)(?![^\s'\"`).,;:?])")
_DEFINITION: Final = re.compile(r"(?:\w+ )*(?:def|class|func|function|fn|struct|impl) \S")
_GLUE: Final = frozenset(
    "a add an and as at be by can change class def edit else fix for from i if in into is it line make not of on or "
    "please put remove rename replace return set should that the this to update use while will with you".split()
)
"""Words that say nothing about which line of a program is meant."""
_ASKING: Final = frozenset(
    "a about an and any anybody are as at be been by can check could current currently d did do does exactly file "
    "find for forget forgot from gave get give gives has have hello help here hey hi how i if in inside into is it "
    "its know line ll "
    "look m me mean means my now of on one open or out please quickly read recall remember remind return "
    "returns s say says search see shall should show so sure t tell than thanks that the their them there these "
    "they this those to up us used value ve want was we were what when where which who whose why will with wonder "
    "would you your".split()
)
"""Words of which a question is made, and nothing that a change could put in."""
_QUESTION: Final = re.compile(r"\W*(?:(?:hello|hey|hi)\W+)?(?:what|which|how)\b", re.IGNORECASE)
"""How a task begins in which "set" asks what was set."""
_FOOTER: Final = re.compile(r"\n\[(?:lines \d+-\d+ of \d+|not UTF-8)[^\n]*\]\Z")
"""What a read says of itself below the lines."""
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
    if tool == "grep_file" and copied.words:
        return [{**properties, "pattern": {"enum": list(copied.words)}}]
    if tool == "write_file" and (paths := [word for word in _said(copied.task) if _is_path(word)]):
        new = [path for path in paths if path.removeprefix("./") not in named]
        return [{**properties, "path": {"enum": new}}] if new else []
    if tool == "read_file" and named and (said := _range(copied.task)):
        return [{**properties, "start": {"const": said[0]}, "end": {"const": said[1]}}]
    if tool == "edit_file":
        return [
            {**properties, "path": {"const": path}, "old_str": {"enum": list(_meant(lines, path, copied.task))}}
            for path, lines in copied.lines.items()
            if path in properties["path"].get("enum", (path,)) and _says_more(copied.task, path, lines)
        ]
    return [properties]


def _is_path(word: str) -> bool:
    return "/" in word or "." in word.strip(".")


def _range(task: str) -> tuple[int, int] | None:
    """Give the first and the last of the lines that a task speaks of, where it is plain which they are."""
    said = list(_RANGE.finditer(task))
    if len(said) != 1:
        return None
    first, last, ordinal = said[0].groups()
    start = int(first or ordinal)
    return (start, int(last or start)) if start <= int(last or start) else None


def _meant(lines: tuple[str, ...], path: str, task: str) -> tuple[str, ...]:
    """Give the lines of a file that a task can mean: what it names, within a definition that it names, or all.

    Of two comparisons in a task, one is there and the other is to be, so the lines that have one of them are meant.
    """
    task = _without(task, path)
    told = {name.casefold() for name in _NAME.findall(task)}
    if any(word.startswith("import") for word in told):
        return lines
    named: list[str] = []
    is_within = False
    for line in lines:
        is_named = not _words(line).isdisjoint(told - _GLUE)
        if _DEFINITION.match(line):
            is_within = is_named
        if is_named or is_within:
            named.append(line)
    signs = set(_COMPARISON.findall(task))
    compared = [line for line in lines if signs.intersection(_COMPARISON.findall(line))] if len(signs) > 1 else []
    both = [line for line in compared if line in named]
    return tuple(both or compared or named) or lines


def _says_more(task: str, path: str, lines: tuple[str, ...]) -> bool:
    """Tell whether a task has a value, an import, or a word that is not there; one that only asks has none."""
    told = {name.casefold() for name in _NAME.findall(_without(task, path))}
    if _COMPARISON.search(task) or any(word[0].isdigit() or word.startswith("import") for word in told):
        return True
    asking = _ASKING | {"set"} if _QUESTION.match(task) else _ASKING
    spoken_of = told - {word.casefold() for word in _WORD.findall(_without(task, path))}.intersection(asking)
    return not spoken_of or not spoken_of <= set[str]().union(*map(_words, lines))


def _without(task: str, path: str) -> str:
    for name in (path, path.rpartition("/")[2]):
        task = task.replace(name, " ")
    return task


def _words(line: str) -> set[str]:
    """Give a line's names and values, and what the names are put together of, in small letters."""
    names = _NAME.findall(line)
    return {word.casefold() for name in names for word in (name, *_PART.findall(name))}


def spooled(messages: Sequence[Message]) -> tuple[str, ...]:
    texts = (message.text for message in messages if isinstance(message, ToolResult))
    return tuple(dict.fromkeys(name for text in texts for name in _SPOOLED.findall(text)))[-20:]
