"""From settings to a running agent: a server found or started, a model chosen, a way to talk to it."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path

import msgspec

from vtcode.context import choose_profile
from vtcode.embedded import DEFAULT_MODEL, EmbeddedServer, get_default_model, is_installed
from vtcode.loop import Agent, Approver, TurnSettings
from vtcode.providers import (
    Endpoint,
    ModelInfo,
    ModelNotFound,
    Provider,
    Refused,
    Request,
    ToolSpec,
    Unreachable,
    connect,
    not_found,
)
from vtcode.sandbox import Level, detect
from vtcode.settings import Settings
from vtcode.tools import TOOLS, Tool, ToolContext
from vtcode.tools.background import Background
from vtcode.tools.search import workspace_files
from vtcode.workspace import Workspace

OUTPUT_LIMIT = 12_000
"""Characters of one tool result: some 3,000 tokens."""

GUIDED_OUTPUT_LIMIT = 3_000
"""The same for a model so small that longer text only confuses it."""

Say = Callable[[str], None]


class Running(msgspec.Struct, frozen=True):
    """An agent that is ready for turns."""

    agent: Agent
    model: str
    address: str
    sandbox: Level
    context_length: int | None = None
    """Tokens that a request may use, where the server tells."""

    @property
    def summary(self) -> str:
        """Say in a line what the run works with."""
        return f"{self.model} at {self.address} · sandbox for commands: {self.sandbox}"


@contextlib.asynccontextmanager
async def start(
    settings: Settings,
    workspace: Workspace,
    approver: Approver,
    say: Say,
    *,
    with_tools: bool,
    full_auto: bool = False,
    embedded: bool = False,
) -> AsyncGenerator[Running]:
    """Bring up everything that a run needs, and take it down again.

    Args:
        say: shows one line to the person.
        with_tools: False for a run that only answers.
        full_auto: policies of `prompt` let calls run.
        embedded: start the embedded server without looking for another.

    Raises:
        ProviderError: when no server answers, or has no fitting model.
    """
    async with contextlib.AsyncExitStack() as stack:
        provider, known = await (_start_embedded if embedded else _reach)(settings, stack, say)
        model, info = choose_model(settings.default_model, known, provider.address)
        tools = TOOLS if with_tools else ()
        if tools and settings.mcp.enabled and settings.mcp.servers:
            tools += await stack.enter_async_context(_server_tools(settings, workspace, approver, say))
        specs = tuple(ToolSpec(tool.name, tool.description, tool.parameters()) for tool in tools)
        profile = choose_profile(settings.profile, info, specs)
        has_box = with_tools and settings.sandbox.mode != "off"
        level = await asyncio.to_thread(detect, os.environ) if has_box else Level.NONE
        limit = GUIDED_OUTPUT_LIMIT if profile.is_brief else OUTPUT_LIMIT
        if info is not None and info.context_length:
            # One result takes a quarter of the context at most: a token is some four characters.
            limit = min(limit, info.context_length)
        background = Background()
        stack.push_async_callback(background.close)
        agent = Agent(
            provider,
            profile,
            tools,
            ToolContext(
                workspace=workspace,
                output_limit=limit,
                level=level,
                sandbox=settings.sandbox,
                background=background,
            ),
            approver,
            TurnSettings(
                base=Request(
                    model=model,
                    system="",
                    messages=(),
                    temperature=settings.temperature,
                    max_tokens=settings.max_tokens,
                    stall_timeout=settings.stall_timeout,
                ),
                policies=settings.policies,
                commands=settings.commands,
                full_auto=full_auto,
                max_steps=settings.max_turns,
            ),
            lambda: workspace_files(workspace),
        )
        yield Running(agent, model, provider.address, level, info.context_length if info else None)


def _server_tools(
    settings: Settings, workspace: Workspace, approver: Approver, say: Say
) -> contextlib.AbstractAsyncContextManager[tuple[Tool, ...]]:
    # Here, since most runs have no such servers.
    from vtcode.tools.mcp import server_tools
    from vtcode.tools.mcp_approval import Approvals

    approvals = Approvals(state_folder(os.environ) / "mcp.json")
    return server_tools(settings.mcp, workspace.root, os.environ, approvals, say, approver.confirm)


async def _reach(settings: Settings, stack: contextlib.AsyncExitStack, say: Say) -> tuple[Provider, list[ModelInfo]]:
    """Connect to the configured server; start one where none was configured and none answers."""
    provider = connect(settings.provider, Endpoint(settings.base_url, settings.api_key))
    stack.push_async_callback(provider.close)
    try:
        return provider, await provider.models()
    except Refused:
        if settings.base_url_is_set or settings.api_key or not is_installed():
            raise
    say(f"Nothing answers at {settings.base_url}: starting the embedded server for this run.")
    return await _start_embedded(settings, stack, say)


async def _start_embedded(
    settings: Settings, stack: contextlib.AsyncExitStack, say: Say
) -> tuple[Provider, list[ModelInfo]]:
    if not is_installed():
        raise Unreachable("The embedded server is not installed. Install it with `pip install 'vtcode[server]'`.")
    server = await EmbeddedServer.start(os.environ, state_folder(os.environ) / "server.log")
    stack.push_async_callback(server.stop)
    provider = connect(settings.provider, server.endpoint)
    stack.push_async_callback(provider.close)
    known = await provider.models()
    # A model that was asked for by name is not made up for by another.
    if settings.default_model in {None, DEFAULT_MODEL} and not any(model.is_chat for model in known):
        say(f"Getting the default model, {DEFAULT_MODEL}, once (93 MB).")
        await get_default_model(os.environ)
        known = await provider.models()
    return provider, known


def choose_model(wanted: str | None, known: list[ModelInfo], address: str) -> tuple[str, ModelInfo | None]:
    """Pick the model: the one that was asked for, else the only sensible one.

    Raises:
        ModelNotFound: when the server lacks the one asked for, or offers several and none was.
    """
    chat = [model for model in known if model.is_chat]
    if wanted is not None:
        info = _named(wanted, chat)
        if info is None:
            raise ModelNotFound(not_found(address, wanted, [model.id for model in chat]))
        return info.id, info
    loaded = [model for model in chat if model.is_loaded]
    for candidates in (chat, loaded):
        if len(candidates) == 1:
            return candidates[0].id, candidates[0]
    for model in chat:
        if model.id == DEFAULT_MODEL:
            return model.id, model
    names = ", ".join(model.id for model in chat)
    if not chat:
        raise ModelNotFound(
            f"LM Studio at {address} has no chat model yet. Download one there, or run `lmstudio get`."
        )
    raise ModelNotFound(
        f"LM Studio at {address} has several models: {names}. Name one with --model, or set default_model in "
        "vtcode.toml."
    )


def _named(wanted: str, models: list[ModelInfo]) -> ModelInfo | None:
    """Find a model by its id, or by the part after the publisher where servers leave that out."""
    for same in (_exactly, _folded, _last_part):
        found = [model for model in models if same(model.id) == same(wanted)]
        if len(found) == 1:
            return found[0]
    return None


def _exactly(name: str) -> str:
    return name


def _folded(name: str) -> str:
    return name.casefold()


def _last_part(name: str) -> str:
    return name.casefold().rpartition("/")[2]


def state_folder(environ: Mapping[str, str]) -> Path:
    """Give the folder for logs and other things that the program keeps for itself (XDG Base Directory)."""
    base = Path(environ.get("XDG_STATE_HOME") or "")
    # A relative path there is to be ignored, and could lie in the workspace.
    return (base if base.is_absolute() else Path.home() / ".local" / "state") / "vtcode"
