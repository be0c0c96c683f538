"""What a tool is: its name, its arguments, what it would do, and how it is run."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast

import msgspec

from vtcode.sandbox import Level
from vtcode.settings import SandboxSettings
from vtcode.tools.background import Background
from vtcode.tools.changes import FileChanges
from vtcode.tools.spool import Spool
from vtcode.workspace import Workspace

if TYPE_CHECKING:
    from vtcode.sandbox.proxy import Door

JsonObject = dict[str, Any]

Effect = Literal["reads", "writes", "runs", "watches", "talks", "reaches"]
"""What a call does. `reads` and `writes`: files of the workspace. `runs`: a command line, which is the call's preview
and to which the rules of [commands] apply. `watches`: something that goes on, so that the same call may be made again
and again. `talks`: to the person. `reaches`: something outside, such as an MCP server."""

Ask = Callable[[str, tuple[str, ...]], Awaitable[str | None]]
"""Puts a question to the person, with the answers to choose from; None when nobody is there."""

ALIASES: Final = {
    "file_path": "path",
    "filepath": "path",
    "filename": "path",
    "file": "path",
    "dir": "path",
    "directory": "path",
    "old_text": "old_str",
    "old_string": "old_str",
    "new_text": "new_str",
    "new_string": "new_str",
    "text": "content",
    "cmd": "command",
    "query": "pattern",
    "diff": "patch",
    "input": "patch",
    "regex": "pattern",
    "start_line": "start",
    "end_line": "end",
    "timeout_secs": "timeout",
}
"""Names that models know from other tools, and ours for them."""


class ToolContext(msgspec.Struct, frozen=True):
    """What a call works with."""

    workspace: Workspace
    output_limit: int
    """Characters of one result for the model."""
    on_output: Callable[[str], None] | None = None
    """Told what a command prints, as it prints it."""
    level: Level | None = None
    """How commands are boxed; None for the strongest level that works here."""
    sandbox: SandboxSettings = SandboxSettings()
    spool: Spool | None = None
    """Keeps whole outputs; None drops what is cut."""
    background: Background | None = None
    """Keeps commands that run on; None for a run that has none."""
    ask: Ask | None = None
    door: "Door | None" = None
    """The way to the hosts that commands may reach, where those are listed or asked about."""
    aside: Path | None = None
    """Where files go that a command must not make; None to leave them, and tell."""
    changes: FileChanges = cast("FileChanges", None)
    """What the model knows of the files, and how tools change them; made from the workspace if not given."""

    def __post_init__(self) -> None:
        if not self.changes:
            msgspec.structs.force_setattr(self, "changes", FileChanges(self.workspace))


class Preview(msgspec.Struct, frozen=True):
    """What a call would do, for the person who decides."""

    kind: Literal["diff", "command", "path", "text"]
    text: str


class Outcome(msgspec.Struct, frozen=True):
    """What a call came to."""

    ok: bool
    text: str
    """For the model."""
    summary: str
    """For the person: one line, or the few of a checklist."""
    diff: str = ""
    """What it changed in files, as a unified diff; for the person."""


class BadArguments(msgspec.Struct, frozen=True):
    """Arguments that a tool cannot take. As text it is a sentence for the model: the reason, and what fits."""

    sentence: str

    def __str__(self) -> str:
        return self.sentence


class Tool(Protocol):
    """Something that a model may call. Each takes arguments of its own, made by its `parse`."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str:
        """A few words: every one of them is in every prompt."""
        ...

    @property
    def effect(self) -> Effect: ...

    def parameters(self) -> JsonObject:
        """Return the JSON Schema of the arguments."""
        ...

    def parse(self, raw: str) -> Any | BadArguments:
        """Turn the JSON text that a model wrote into arguments, or say to the model what is wrong with it."""
        ...

    def sensitive(self, args: Any, context: ToolContext) -> str | None:
        """Return a reason to ask before this call whatever the policy, or None."""
        ...

    def preview(self, args: Any, context: ToolContext) -> Preview:
        """Return what the call would do; changes nothing."""
        ...

    async def run(self, args: Any, context: ToolContext) -> Outcome:
        """Do it. What goes wrong is an outcome that is not ok; only cancellation is raised."""
        ...


class Parameters:
    """Gives a tool its `parameters` and its `parse` from its `arguments`."""

    name: str
    arguments: type[msgspec.Struct]

    def parameters(self) -> JsonObject:
        return parameters(self.arguments)

    def parse(self, raw: str) -> msgspec.Struct | BadArguments:
        """Take also what small models get nearly right.

        Names from other tools (see `ALIASES`), numbers in quotes, nulls for what is left out, and JSON inside a JSON
        string.
        """
        given = read_object(raw)
        expected = _expected(self.parameters())
        if given is None:
            return BadArguments(f"The arguments of {self.name} are not a JSON object. {expected}")
        fields = frozenset(self.arguments.__struct_fields__)
        try:
            return msgspec.convert(_renamed(given, fields), self.arguments, strict=False)
        except msgspec.ValidationError as error:
            return BadArguments(f"{self.name}: {_reason(error)}. {expected}")


def parameters(arguments: type[msgspec.Struct]) -> JsonObject:
    """Return the smallest JSON Schema that says which arguments there are: prompt tokens are scarce.

    Flat and without unions, since the grammar compilers of local servers take little more.
    """
    _, components = msgspec.json.schema_components([arguments])
    schema = components[arguments.__name__]
    properties = {name: _plain(member) for name, member in schema["properties"].items()}
    required: list[str] = schema.get("required", [])
    # An empty list would be invalid in the drafts that older servers follow.
    return {"type": "object", "properties": properties} | ({"required": required} if required else {})


def _plain(member: JsonObject) -> JsonObject:
    choice = next((option for option in member.get("anyOf", []) if option.get("type") != "null"), member)
    kept: JsonObject = {"type": choice["type"]}
    if description := member.get("description") or choice.get("description"):
        kept["description"] = description
    if items := choice.get("items"):
        kept["items"] = _plain(items)
    return kept


def parse_arguments(tool: Tool, raw: str) -> Any | BadArguments:
    """Turn the JSON text that a model wrote into the tool's arguments."""
    return tool.parse(raw)


def read_object(raw: str) -> JsonObject | None:
    """Read a JSON object, also one that a template quoted once more; nothing at all is an empty one."""
    value: object = raw if raw.strip() else "{}"
    for _ in range(2):
        if not isinstance(value, str):
            break
        try:
            value = msgspec.json.decode(value.encode("utf-8", "replace"))
        except (msgspec.MsgspecError, RecursionError):
            return None
    return cast("JsonObject", value) if isinstance(value, dict) else None


def _renamed(given: JsonObject, fields: frozenset[str]) -> JsonObject:
    named: JsonObject = {name: value for name, value in given.items() if value is not None and name in fields}
    for name, value in given.items():
        own = ALIASES.get(name, name)
        if value is not None and name not in fields:
            named.setdefault(own if own in fields else name, value)
    return named


def _reason(error: msgspec.ValidationError) -> str:
    """Say what msgspec found in the words of the schema: "Expected `str`, got `int` - at `$.path`"."""
    words = str(error)
    for theirs, ours in (("Object ", ""), (" | null`", "`"), ("`str`", "a string"), ("`int`", "a whole number")):
        words = words.replace(theirs, ours)
    words = re.sub(r"^(.*) - at `\$\.?(\w+)`$", r"\2: \1", words)
    return words[:200]


def _expected(schema: JsonObject) -> str:
    required = schema.get("required", [])
    members = (
        f'"{name}"{"" if name in required else "?"}: {member["type"]}'
        for name, member in schema["properties"].items()
    )
    return f"Expected {{{', '.join(members)}}}."
