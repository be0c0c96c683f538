"""One MCP server: started, listed, called, and started again when it ended.

This module and those that it imports load the SDK; `vtcode.tools.mcp` imports it where there are servers.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Final, cast

import msgspec
from mcp import Client, MCPError, types
from mcp.client.context import ClientRequestContext

from vtcode.sandbox.environment import command_environment, home_folder
from vtcode.settings import McpServer
from vtcode.text import visible
from vtcode.tools.mcp_http import McpError, connected
from vtcode.tools.mcp_schema import shortened
from vtcode.tools.mcp_stdio import Health, Streams, child
from vtcode.tools.textfile import human_size
from vtcode.tools.tool import JsonObject

MOST_RESTARTS: Final = 3
MOST_TOOLS: Final = 64
"""Of one server."""
_END_SECONDS: Final = 5.0
_MOST_PAGES: Final = 20
_MOST_TEXT: Final = 16_000_000


class Listed(msgspec.Struct, frozen=True):
    """A tool as its server describes it."""

    name: str
    description: str
    schema: JsonObject


class Reply(msgspec.Struct, frozen=True):
    """What a call came to."""

    ok: bool
    text: str


class Connection:
    """A server that runs, in a task of its own: what the SDK opens must be closed where it was opened."""

    def __init__(
        self, name: str, entry: McpServer, root: Path, environ: Mapping[str, str], start_seconds: float
    ) -> None:
        self.name = name
        self.entry = entry
        self.tools: tuple[Listed, ...] = ()
        """As it listed them when it was started first."""
        self._root = root
        self._environ = environ
        self._start_seconds = start_seconds
        self._task: asyncio.Task[None] | None = None
        self._client: Client | None = None
        self._health = Health()
        self._stop = asyncio.Event()
        self._starts = 0
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Start it and ask what tools it has. Raises McpError."""
        async with self._starting:
            if self._client is not None and not self._health.is_ended:
                return
            await self._end()
            if self._starts > MOST_RESTARTS:
                raise McpError(f"The MCP server {self.name} ended {self._starts} times, and is not started again.")
            self._starts += 1
            ready: asyncio.Future[tuple[Listed, ...]] = asyncio.get_running_loop().create_future()
            self._stop, self._health = asyncio.Event(), Health()
            self._task = asyncio.create_task(self._live(ready))
            try:
                async with asyncio.timeout(self._start_seconds):
                    tools = await asyncio.shield(ready)
            except TimeoutError as error:
                await self._end(patience=0)
                raise McpError(
                    f"The MCP server {self.name} did not answer within {self._start_seconds:.0f} s."
                ) from error
            except BaseException:
                await self._end(patience=0)
                raise
            if self._starts > 1 and tools != self.tools:
                await self._end()
                raise McpError(f"The MCP server {self.name} has other tools than before, and is not used any more.")
            self.tools = tools

    async def call(self, tool: str, arguments: JsonObject) -> Reply:
        """Call a tool. Raises McpError when the server gave no answer."""
        await self.start()
        client, seconds = self._client, self.entry.timeout_secs
        if client is None:
            raise McpError(f"The MCP server {self.name} ended.")
        request = types.CallToolRequest(params=types.CallToolRequestParams(name=tool, arguments=arguments))
        try:
            async with asyncio.timeout(seconds):
                # Not `call_tool`, which would hold the answer against a schema of the server's at any cost.
                result = await client.session.send_request(request, types.CallToolResult)
        except TimeoutError as error:
            raise McpError(f"{tool} did not answer within {seconds:g} s.") from error
        except MCPError as error:
            if error.error.code != types.CONNECTION_CLOSED:
                return Reply(False, shortened(error.error.message, 2_000))
            await self._end()
            raise McpError(f"The MCP server {self.name} ended while {tool} ran.") from error
        except Exception as error:
            # What a server makes of the SDK cannot be foreseen: no kind of error may end a turn.
            await self._end()
            raise McpError(f"The MCP server {self.name} ended while {tool} ran ({_reason(error)}).") from error
        return Reply(not result.is_error, _text(result))

    async def close(self) -> None:
        """End the server."""
        await self._end()

    async def _end(self, patience: float = _END_SECONDS) -> None:
        self._client = None
        self._stop.set()
        task, self._task = self._task, None
        if task is not None:
            _, late = await asyncio.wait({task}, timeout=patience)
            for waiting in late:
                waiting.cancel()
                await asyncio.wait({waiting})

    async def _live(self, ready: "asyncio.Future[tuple[Listed, ...]]") -> None:
        health = self._health
        try:
            async with Client(self._transport(health), cache=None, list_roots_callback=self._roots) as client:
                listed = await _list(client)
                self._client = client
                if not ready.done():
                    ready.set_result(listed)
                await self._stop.wait()
        except Exception as error:
            if not ready.done():
                said = health.last or _reason(error)
                ready.set_exception(McpError(f"The MCP server {self.name} could not be started: {said}"))
        finally:
            if not ready.done():
                ready.set_exception(McpError(f"The MCP server {self.name} could not be started."))
            # Looked at, so that nobody complains when nobody waits any more.
            ready.exception()
            if self._task is asyncio.current_task():
                self._client = None

    async def _roots(self, context: ClientRequestContext) -> types.ListRootsResult:
        return types.ListRootsResult.model_validate({"roots": [{"uri": self._root.as_uri()}]})

    @contextlib.asynccontextmanager
    async def _transport(self, health: Health) -> AsyncGenerator[Streams]:
        if self.entry.url is not None:
            async with connected(self.entry, self._environ) as streams:
                yield cast("Streams", streams)
            return
        argv = (self.entry.command or "", *self.entry.args)
        home = home_folder(self._environ)
        environment = command_environment(self._environ, self._root, home) | dict(self.entry.env)
        # Not in the workspace: many launchers run what lies in their working folder.
        folder = home if home.is_dir() else Path("/")
        try:
            async with child(argv, environment, folder, health) as streams:
                yield streams
        except FileNotFoundError as error:
            raise McpError(f"there is no program {argv[0]!r}") from error


async def _list(client: "Client") -> tuple[Listed, ...]:
    """Ask for the tools; of a server that has no end of them, the first."""
    found: list[Listed] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        found += (Listed(tool.name, tool.description or "", tool.input_schema) for tool in page.tools)
        cursor = page.next_cursor
        if cursor is None or len(found) >= MOST_TOOLS:
            break
    # By name, since the order must be the same in every run.
    return tuple(sorted(found[:MOST_TOOLS], key=lambda tool: tool.name))


def _text(result: types.CallToolResult) -> str:
    """Write an answer as text; what is none is named."""
    parts: list[str] = []
    for block in result.content:
        match block:
            case types.TextContent():
                parts.append(block.text)
            case types.ImageContent() | types.AudioContent():
                kind = "image" if isinstance(block, types.ImageContent) else "sound"
                parts.append(f"[{kind}: {block.mime_type}, {_size(block.data)}]")
            case types.ResourceLink():
                parts.append(f"[resource: {block.uri}]")
            case types.EmbeddedResource():
                inner = block.resource
                parts.append(inner.text if isinstance(inner, types.TextResourceContents) else f"[data: {inner.uri}]")
    if not parts and result.structured_content is not None:
        parts.append(msgspec.json.encode(result.structured_content).decode())
    return "\n".join(parts)[:_MOST_TEXT]


def _size(data: str) -> str:
    return human_size(len(data.rstrip("=")) * 3 // 4)


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return visible(shortened(str(error) or type(error).__name__, 300), one_line=True)
