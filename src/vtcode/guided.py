"""The guided profile: one constrained call, then an answer, for models too weak to decide when to call."""

import json

import msgspec

from vtcode.messages import AssistantMessage, Finish, Message, Status, ToolCall, ToolResult, UserMessage
from vtcode.providers import JsonObject, Request, ToolSpec
from vtcode.shown import Shown, everything, nothing
from vtcode.situation import Situation

MAX_PATHS = 400
"""Paths that a guided call may choose from; a longer list costs the server's grammar compiler too much."""

GUIDED_INSTRUCTIONS = (
    "You are vtcode, a coding agent. Use a tool to look at the workspace, then answer in one short sentence."
)

_LENGTHS = {"path": 120, "pattern": 60, "command": 160, "old_str": 150, "new_str": 150, "content": 300}
"""Characters of a string argument; a weak model that repeats itself would never close it. The longest call fits
into `CALL_TOKENS`, even at one token a character."""

_FILE_ARGUMENT = {"read_file": "path", "edit_file": "path"}
_FOLDER_ARGUMENT = {"list_files": "path"}


class GuidedProfile:
    """One call, then an answer, for models too weak to decide when to call.

    The call is asked for as structured output. So its shape, and the paths that exist, constrain what the model
    writes without costing a token of prompt, and any server with JSON Schema support can do it. What the tools
    are is shown by examples, the one form of instruction that such a model follows.
    """

    name = "guided"
    output_limit = 3_000
    needs_files = True
    takes_notes = False
    can_sum_up = False

    def __init__(self, tools: tuple[ToolSpec, ...]) -> None:
        self._tools = tools

    def request(self, base: Request, situation: Situation) -> Request:
        request = msgspec.structs.replace(
            base,
            system=GUIDED_INSTRUCTIONS,
            messages=tuple(_as_text(message) for message in (*_EXAMPLES, *situation.messages)),
            temperature=base.temperature or 0.0,
        )
        if situation.step > 1 or not situation.may_call:
            return msgspec.structs.replace(request, max_tokens=base.max_tokens or ANSWER_TOKENS, stop=_ECHOES)
        spoken = (m for m in reversed(situation.messages) if isinstance(m, UserMessage) and not m.by_program)
        asked = next((m.text for m in spoken), "")
        schema = call_schema(self._tools, situation.files, asked)
        return msgspec.structs.replace(request, schema=schema, max_tokens=base.max_tokens or CALL_TOKENS)

    def shown(self, step: int) -> Shown:
        return everything if step > 1 else nothing

    def read(self, message: AssistantMessage, step: int) -> AssistantMessage:
        if step > 1:
            return msgspec.structs.replace(message, calls=())
        try:
            written = msgspec.json.decode(message.text.encode("utf-8", "replace"), type=_Call)
        except (msgspec.MsgspecError, RecursionError):
            return message
        call = ToolCall("call_1", written.name, json.dumps(written.arguments, ensure_ascii=False))
        return msgspec.structs.replace(message, text="", calls=(call,), finish=Finish.TOOLS)

    def is_last(self, step: int) -> bool:
        return step > 1


_OPENING, _CLOSING = "<tool_response>", "</tool_response>"
_ECHOES = (_OPENING, _CLOSING)
"""What a weak model repeats of its prompt instead of ending its answer."""

CALL_TOKENS = 512
ANSWER_TOKENS = 300


class _Call(msgspec.Struct):
    name: str
    arguments: JsonObject


def call_schema(tools: tuple[ToolSpec, ...], files: tuple[str, ...], asked: str) -> JsonObject:
    """Describe the calls that make sense: one of `tools`, on paths that exist.

    Args:
        tools: what may be called; of their parameters only the required ones are offered.
        files: the workspace's files, relative.
        asked: what the user said; when it names files, only those are offered.
    """
    named = mentioned(files, asked)
    folders = sorted({folder for path in files for folder in folders_of(path)})
    choices = {
        **{tool: (argument, named or files) for tool, argument in _FILE_ARGUMENT.items()},
        **{tool: (argument, (".", *folders)) for tool, argument in _FOLDER_ARGUMENT.items()},
    }
    branches: list[JsonObject] = []
    for tool in tools:
        argument, paths = choices.get(tool.name, ("", ()))
        if argument and not paths:
            continue
        required: list[str] = list(
            dict.fromkeys([*tool.parameters.get("required", []), *([argument] if argument else [])])
        )
        properties = {name: _bounded(name, tool.parameters["properties"][name]) for name in required}
        if argument:
            properties[argument] = {"enum": list(paths[:MAX_PATHS])}
        branches.append(shut_object({"name": {"const": tool.name}, "arguments": shut_object(properties)}))
    return {"anyOf": branches}


def mentioned(files: tuple[str, ...], text: str) -> tuple[str, ...]:
    """Find the files that a text names, by their whole path if it does, else by their name."""
    words = {word.lstrip("([{'\"`").rstrip(".,;:?!)]}'\"`").removeprefix("./") for word in text.split()}
    whole = tuple(path for path in files if path in words)
    return whole or tuple(path for path in files if path.rpartition("/")[2] in words)


def folders_of(path: str) -> list[str]:
    """Name the folders on the way to a file, outermost first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def _bounded(name: str, schema: JsonObject) -> JsonObject:
    if schema.get("type") != "string":
        return schema
    return {
        "type": "string",
        "minLength": 0 if name in {"content", "new_str"} else 1,
        "maxLength": _LENGTHS.get(name, 200),
    }


def shut_object(properties: JsonObject) -> JsonObject:
    """Describe an object of these members and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _as_text(message: Message) -> Message:
    """Write calls and results as the plain text that the examples show."""
    match message:
        case UserMessage():
            return message
        case AssistantMessage(calls=calls) if calls:
            written = "\n".join(f'{{"name": "{call.name}", "arguments": {call.arguments}}}' for call in calls)
            return msgspec.structs.replace(message, text=written, calls=())
        case AssistantMessage():
            return message
        case ToolResult(text=text):
            return UserMessage(f"{_OPENING}\n{text}\n{_CLOSING}", by_program=True)


def _example(asked: str, tool: str, arguments: JsonObject, result: str, answer: str) -> tuple[Message, ...]:
    return (
        UserMessage(asked),
        AssistantMessage(calls=(ToolCall("example", tool, json.dumps(arguments)),)),
        ToolResult("example", tool, status=Status.OK, text=result),
        AssistantMessage(text=answer),
    )


# The order matters to a weak model, which leans to what it saw last: reading, the most common need, is last.
_EXAMPLES: tuple[Message, ...] = (
    *_example(
        "In app.py change DEBUG = True to DEBUG = False",
        "edit_file",
        {"path": "app.py", "old_str": "DEBUG = True", "new_str": "DEBUG = False"},
        "Edited app.py.",
        "I changed DEBUG = True to DEBUG = False in app.py.",
    ),
    *_example(
        "Run npm test -- --watch=false",
        "run_terminal_cmd",
        {"command": "npm test -- --watch=false"},
        "exit code 0\nok",
        "npm test -- --watch=false ended with exit code 0.",
    ),
    *_example(
        "Write bye to out.txt",
        "write_file",
        {"path": "out.txt", "content": "bye"},
        "Wrote out.txt (1 line).",
        "I wrote bye to out.txt.",
    ),
    *_example(
        "Which files are in docs?",
        "list_files",
        {"path": "docs"},
        "docs/intro.md\ndocs/usage.md",
        "The docs folder has intro.md and usage.md.",
    ),
    *_example(
        "Where is parse_date defined?",
        "grep_file",
        {"pattern": "parse_date"},
        "lib/dates.py:12:def parse_date(text):",
        "parse_date is defined in lib/dates.py on line 12.",
    ),
    *_example(
        "What is the port in config.ini?",
        "read_file",
        {"path": "config.ini"},
        "[server]\nhost = local\nport = 8080",
        "The port in config.ini is 8080.",
    ),
    *_example(
        "What is the colour in theme.json?",
        "read_file",
        {"path": "theme.json"},
        '{\n "colour": "green"\n}',
        "The colour in theme.json is green.",
    ),
)
