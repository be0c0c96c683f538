"""The tools of MCP servers, as tools of ours: their names, what the model is shown, what a call does."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from vtcode.settings import McpServer, McpSettings
from vtcode.tools.mcp_approval import Approvals, described
from vtcode.tools.mcp_schema import compact, problem, shortened
from vtcode.tools.output import bounded
from vtcode.tools.tool import BadArguments, Effect, JsonObject, Outcome, Preview, Tool, ToolContext, read_object

if TYPE_CHECKING:
    from vtcode.tools.mcp_server import Connection, Listed

INSTALL: Final = "MCP servers need the extra `mcp`. Install it with `pip install 'vtcode[mcp]'`."

START_SECONDS: Final = 15.0
"""Most that a server may take to start and to list its tools."""

_LONGEST_NAME: Final = 64
_MOST_DESCRIPTION: Final = 200
_MOST_PREVIEW: Final = 4_000

Say = Callable[[str], None]
Confirm = Callable[[str], Awaitable[bool]]


class McpUnavailable(Exception):
    """The SDK is not installed."""


class McpArguments(msgspec.Struct, frozen=True):
    """What a server's tool is called with, as its schema allows."""

    members: JsonObject


class McpTool:
    """A tool of a server."""

    effect: Effect = "reaches"

    def __init__(self, name: str, connection: "Connection", listed: "Listed") -> None:
        self.name = name
        self.description = shortened(listed.description, _MOST_DESCRIPTION)
        self._connection = connection
        self._listed = listed

    def parameters(self) -> JsonObject:
        return compact(self._listed.schema)

    def parse(self, raw: str) -> McpArguments | BadArguments:
        given = read_object(raw)
        if given is None:
            return BadArguments(f"The arguments of {self.name} are not a JSON object.")
        if wrong := problem(given, self._listed.schema):
            shown = msgspec.json.encode(self.parameters()).decode()[:1_000]
            return BadArguments(f"{self.name}: {wrong}. The schema is {shown}")
        return McpArguments(given)

    def sensitive(self, args: McpArguments, context: ToolContext) -> str | None:
        return None

    def preview(self, args: McpArguments, context: ToolContext) -> Preview:
        written = msgspec.json.format(msgspec.json.encode(args.members), indent=2).decode()
        return Preview("text", f"{self._listed.name} of the MCP server {self._connection.name}\n{written}")

    async def run(self, args: McpArguments, context: ToolContext) -> Outcome:
        from vtcode.tools.mcp_http import McpError

        try:
            reply = await self._connection.call(self._listed.name, args.members)
        except McpError as error:
            return Outcome(False, str(error), str(error))
        text = bounded(reply.text, context.output_limit, context.spool)
        summary = f"{len(reply.text):,} characters" if reply.ok else shortened(text, 200)
        return Outcome(reply.ok, text or "(no output)", summary)


def tool_names(tools: Iterable[tuple[str, str]]) -> list[str]:
    """Name tools, given as server and tool, as the API takes names: `mcp__server__tool`, 64 plain characters at most.

    Names that would be the same, or are cut, get a part that stands for the whole; it depends on nothing but the
    tool itself, so that a policy for a name goes on meaning the same tool.
    """
    pairs = list(tools)
    plain = [re.sub(r"[^A-Za-z0-9_-]", "_", f"mcp__{server}__{tool}") for server, tool in pairs]
    names: list[str] = []
    for (server, tool), name in zip(pairs, plain, strict=True):
        is_exact = name == f"mcp__{server}__{tool}" and plain.count(name) == 1
        if len(name) > _LONGEST_NAME or (not is_exact and plain.count(name) > 1):
            mark = hashlib.sha256(f"{server}\0{tool}".encode("utf-8", "replace")).hexdigest()[:8]
            name = f"{name[: _LONGEST_NAME - 9]}_{mark}"
        names.append(name)
    return names


def connection(
    name: str, entry: McpServer, root: Path, environ: Mapping[str, str], *, start_seconds: float = START_SECONDS
) -> "Connection":
    """Make the connection to a server, which is not started yet. Raises McpUnavailable without the SDK."""
    try:
        from vtcode.tools.mcp_server import Connection
    except ImportError as error:
        raise McpUnavailable(INSTALL) from error
    return Connection(name, entry, root, environ, start_seconds)


@contextlib.asynccontextmanager
async def server_tools(
    settings: McpSettings,
    root: Path,
    environ: Mapping[str, str],
    approvals: Approvals,
    say: Say,
    confirm: Confirm,
) -> AsyncGenerator[tuple[Tool, ...]]:
    """Start the servers that the user approved, all at once, and yield their tools in an order that stays.

    A server that cannot be used is told and left out; it never keeps a run from starting.
    """
    wanted = {name: entry for name, entry in sorted(settings.servers.items()) if entry.enabled}
    connections: list[Connection] = []
    async with contextlib.AsyncExitStack() as stack:
        for name, entry in wanted.items():
            if not await _may_start(name, entry, root, approvals, say, confirm):
                continue
            try:
                made = connection(name, entry, root, environ)
            except McpUnavailable as error:
                say(str(error))
                break
            stack.push_async_callback(made.close)
            connections.append(made)
        problems = await asyncio.gather(*(_start(made) for made in connections))
        usable: list[Connection] = []
        for made, trouble in zip(connections, problems, strict=True):
            if trouble:
                say(trouble)
            elif await _may_use(made, root, approvals, say, confirm):
                usable.append(made)
        found = [(made, listed) for made in usable for listed in made.tools]
        names = tool_names((made.name, listed.name) for made, listed in found)
        yield tuple(McpTool(name, made, listed) for name, (made, listed) in zip(names, found, strict=True))


async def _start(made: "Connection") -> str | None:
    from vtcode.tools.mcp_http import McpError

    try:
        await made.start()
    except McpError as error:
        return str(error)
    return None


async def _may_start(
    name: str, entry: McpServer, root: Path, approvals: Approvals, say: Say, confirm: Confirm
) -> bool:
    if approvals.knows(name, entry, root):
        return True
    where = f" ({entry.source})" if entry.source else ""
    if await confirm(f"The MCP server {name}{where} is new or was changed. Start it?\n{described(entry)}"):
        return True
    say(
        f"The MCP server {name}{where} is not started: it is new or was changed. Look at it with "
        f"`vtcode mcp approve {name}`."
    )
    return False


async def _may_use(made: "Connection", root: Path, approvals: Approvals, say: Say, confirm: Confirm) -> bool:
    """Tell whether the tools are those that were approved, asking about others."""
    if approvals.covers(made.name, made.entry, root, made.tools):
        return True
    question = f"The MCP server {made.name} offers these tools. Use them?\n{listing(made.tools)}"
    if await confirm(question):
        approvals.approve(made.name, made.entry, root, made.tools)
        return True
    say(
        f"The tools of the MCP server {made.name} are not those that were approved, and are not used. Look at them "
        f"with `vtcode mcp approve {made.name}`."
    )
    return False


def listing(tools: Iterable["Listed"]) -> str:
    """Write a server's tools for the person who approves them."""
    lines = [
        f"  {shortened(tool.name, _MOST_DESCRIPTION)}: {shortened(tool.description, _MOST_PREVIEW)}" for tool in tools
    ]
    return "\n".join(lines) or "  none"
