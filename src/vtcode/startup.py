"""From settings to a running agent: a server found or started, a model chosen, a way to talk to it."""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncGenerator, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from vtcode.approvals import Approvals
from vtcode.approver import Approver
from vtcode.audit import Audit
from vtcode.budget import Budget
from vtcode.context import Profile, choose_profile
from vtcode.embedded import EmbeddedServer, get_default_model, is_installed
from vtcode.instructions import Notes, read_notes
from vtcode.loop import Agent, TurnSettings
from vtcode.models import choose_model, named
from vtcode.permission import Permission, Questions, Rules
from vtcode.places import state_folder
from vtcode.providers import (
    Endpoint,
    JsonObject,
    ModelInfo,
    NoEndpoint,
    Provider,
    Refused,
    Request,
    ToolSpec,
    Unreachable,
    connect,
)
from vtcode.providers.catalogue import DEFAULT_MODEL
from vtcode.providers.presets import PRESETS, Preset
from vtcode.sandbox import Found, Level, examine
from vtcode.sandbox.environment import programs
from vtcode.sessions.session import Session, Setup
from vtcode.settings import ContextSettings, Settings
from vtcode.situation import Situation
from vtcode.tools import TOOLS, Tool, ToolContext
from vtcode.tools.background import Background
from vtcode.tools.search import workspace_files
from vtcode.workspace import Workspace

if TYPE_CHECKING:
    from vtcode.sandbox.proxy import Door

Say = Callable[[str], None]


class Running(msgspec.Struct, frozen=True):
    """An agent that is ready for turns."""

    agent: Agent
    provider: Provider
    """The server, for questions beside the conversation."""
    model: str
    sandbox: Level
    context_length: int | None
    """Tokens that a request may use, where the server tells."""
    notes: str
    """What the project says of itself, as it stands in the prompt of this session."""
    warms_up: bool
    """Whether the server may be sent the fixed part of the prompt ahead."""
    prefix_size: int
    """Characters of what stands before the conversation in each request: system text and tools."""
    rules: Rules
    """What calls are decided by; a change of them holds from the next call on."""
    within: "Callable[[Session | None], Running]"
    """Gives what works with the same server and model, in another session."""

    @property
    def address(self) -> str:
        """Where the server is."""
        return self.provider.address

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
    schema: JsonObject | None = None,
    session: Session | None = None,
    progress: Say | None = None,
) -> AsyncGenerator[Running]:
    """Bring up everything that a run needs, and take it down again.

    Args:
        say: shows one line to the person.
        with_tools: False for a run that only answers.
        full_auto: policies of `prompt` let calls run.
        embedded: start the embedded server without looking for another.
        schema: what every reply must follow; for a run without tools.
        session: keeps what happens; one that is gone on with brings its model and profile.
        progress: told what is awaited, where it takes its time; without one that goes to standard error.

    Raises:
        ProviderError: when no server answers, or has no fitting model.
    """
    async with contextlib.AsyncExitStack() as stack:
        has_box = with_tools and settings.sandbox.mode != "off"
        # The box tries itself out meanwhile.
        box = asyncio.create_task(asyncio.to_thread(examine, os.environ)) if has_box else None
        if box is not None:
            stack.callback(box.cancel)
        provider, known = await reach(settings, stack, say, embedded=embedded, progress=progress)
        settings = _pinned(settings, session, known)
        model, info = choose_model(settings.default_model, known, provider.endpoint)
        tools = TOOLS if with_tools else ()
        state = state_folder(os.environ)

        def audit(session: Session | None) -> Audit:
            kept = session.id if session is not None else ""
            return Audit(state / "audit.jsonl", str(workspace.root), kept, settings.api_key or "")

        questions = Questions(approver, audit(session), workspace.root)
        if tools and settings.mcp.enabled and settings.mcp.servers:
            tools += await stack.enter_async_context(_server_tools(settings, workspace, questions, say))
        specs = tuple(ToolSpec(tool.name, tool.description, tool.parameters()) for tool in tools)
        context = usable_context(info, settings.context)
        profile = choose_profile(settings.profile, info, specs, settings.context.max_tokens)
        notes = _notes(settings, workspace, profile, context) if with_tools else Notes()
        for warning in notes.warnings:
            say(warning)
        found = await box if box is not None else Found(Level.NONE)
        level = found.level
        if found.missing:
            say(f"{found.missing[0]}; `vtcode sandbox status` says what that means.")
        background = Background()
        stack.push_async_callback(background.close)
        turns = TurnSettings(
            base=Request(
                model=model,
                system="",
                messages=(),
                temperature=settings.temperature,
                max_tokens=settings.max_tokens,
                stall_timeout=settings.stall_timeout,
                schema=schema,
                reasoning_effort=settings.reasoning_effort,
                parallel_tool_calls=settings.parallel_tool_calls,
            ),
            max_steps=settings.max_turns,
            budget=Budget(context, settings.context.compact_at, settings.max_tokens),
            keep_turns=settings.context.keep_recent_turns,
        )
        door = _door(settings, questions)
        if door is not None:
            stack.push_async_callback(door.close)
        tool_context = ToolContext(
            workspace=workspace,
            output_limit=_output_limit(settings, profile, context),
            level=level,
            sandbox=settings.sandbox,
            background=background,
            aside=state / "refused",
            door=door,
        )
        prefix = _prefix(profile, turns.base)
        setup = Setup(
            model=model,
            provider=settings.provider,
            profile=profile.name,
            prefix=hashlib.sha256(prefix).hexdigest(),
            notes=notes.text,
        )
        warms_up = settings.context.warm_up and is_local(provider.address)

        rules = Rules(settings.policies, settings.commands, full_auto)
        # One for all sessions of the process: what was approved for the session holds until the program ends.
        approvals = Approvals(state / "approvals.json")

        def permission(session: Session | None) -> Permission:
            return Permission(rules, approver, approvals, audit(session))

        is_program = programs(os.environ, workspace.root)

        def within(session: Session | None) -> Running:
            agent = Agent(
                provider,
                profile,
                tools,
                session_context(tool_context, session),
                permission(session),
                turns,
                lambda: workspace_files(workspace),
                is_program,
            )
            pinned = session.pin(setup) if session else setup.notes
            return Running(
                agent=agent,
                provider=provider,
                model=model,
                sandbox=level,
                context_length=context,
                notes=pinned,
                warms_up=warms_up,
                prefix_size=len(prefix),
                rules=rules,
                within=within,
            )

        yield within(session)


def _door(settings: Settings, questions: Questions) -> "Door | None":
    network = settings.sandbox.network
    if network in ("off", "on"):
        return None
    # Here, since most runs have none.
    from vtcode.sandbox.proxy import Door

    if network == "ask":
        return Door((), questions.confirm, questions.connection)
    return Door(network, note=questions.connection)


def usable_context(info: ModelInfo | None, wish: ContextSettings) -> int | None:
    """Tell how many tokens of context may be used: what the server has, and no more than the settings say."""
    told = info.context_length if info is not None else None
    return min((size for size in (told, wish.max_tokens) if size), default=None)


def _output_limit(settings: Settings, profile: Profile, context: int | None) -> int:
    """Tell how many characters of one tool result the model is shown."""
    if settings.context.output_limit is not None:
        return settings.context.output_limit
    # A quarter of the context at most: a token is some four characters.
    return min(profile.output_limit, context or profile.output_limit)


def _notes(settings: Settings, workspace: Workspace, profile: Profile, context: int | None) -> Notes:
    if not profile.takes_notes:
        return Notes()
    most = settings.context.instructions_max_bytes
    # An eighth of the context at most: a token is some four bytes.
    most = min(most, context // 2) if context else most
    return read_notes(workspace, Path.cwd(), os.environ, most)


def is_local(address: str) -> bool:
    """Tell whether a server is on this machine or in its network, where what it reads ahead costs nobody money."""
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost" or host.endswith((".local", ".lan", ".internal", ".localhost"))


def session_context(context: ToolContext, session: Session | None) -> ToolContext:
    """Have calls work in a session: earlier contents of files and whole outputs are kept in it."""
    if session is None:
        return context
    return msgspec.structs.replace(context, spool=session.spool, changes=session.changes)


def _pinned(settings: Settings, session: Session | None, known: list[ModelInfo]) -> Settings:
    """Go on with the model and the profile that a session had, so that the server's cache still matches.

    A model that was asked for comes first, and one that the server does not have any more is made up for.
    """
    header = session.pinned if session else None
    if header is None or not header.model or header.provider != settings.provider:
        return settings
    asked = settings.sources.get("agent.default_model", "").endswith("--model")
    if (asked and settings.default_model != header.model) or (known and named(header.model, known) is None):
        return settings
    profile = header.profile if settings.profile == "auto" else settings.profile
    return msgspec.structs.replace(settings, default_model=header.model, profile=profile)


def _prefix(profile: Profile, base: Request) -> bytes:
    """Write what stands before the conversation in each request."""
    request = profile.request(base, Situation(messages=(), step=1))
    return msgspec.json.encode((request.system, request.messages, request.tools))


def _server_tools(
    settings: Settings, workspace: Workspace, questions: Questions, say: Say
) -> contextlib.AbstractAsyncContextManager[tuple[Tool, ...]]:
    # Here, since most runs have no such servers.
    from vtcode.tools.mcp import server_tools
    from vtcode.tools.mcp_approval import Approvals

    approvals = Approvals(state_folder(os.environ) / "mcp.json")
    return server_tools(settings.mcp, workspace.root, os.environ, approvals, say, questions.confirm)


async def reach(
    settings: Settings,
    stack: contextlib.AsyncExitStack,
    say: Say,
    *,
    embedded: bool,
    progress: Say | None = None,
) -> tuple[Provider, list[ModelInfo]]:
    """Connect to the configured server; start one where none was configured and none answers.

    Raises:
        ProviderError: when that does not lead to a server with a list of models.
    """
    if embedded:
        return await _start_embedded(settings, stack, say, progress)
    try:
        return await connect_to(settings, stack)
    except NoEndpoint:
        # A server without a list may still have the model that was asked for.
        if settings.default_model is None:
            raise
        provider = connect(endpoint_of(settings))
        stack.push_async_callback(provider.close)
        return provider, []
    except Refused:
        is_ours = settings.provider == "lmstudio" and not (settings.base_url_is_set or settings.api_key)
        if not is_ours or not is_installed():
            raise
    say(f"Nothing answers at {settings.base_url}: starting the embedded server for this run.")
    return await _start_embedded(settings, stack, say, progress)


async def connect_to(
    settings: Settings, stack: contextlib.AsyncExitStack, *, embedded: bool = False
) -> tuple[Provider, list[ModelInfo]]:
    """Connect to the configured server, or to one that is started for it, and list its models as they are.

    Raises:
        ProviderError: when that does not work.
    """
    endpoint = endpoint_of(settings)
    if embedded:
        if not is_installed():
            raise Unreachable("The embedded server is not installed. Install it with `pip install 'vtcode[server]'`.")
        server = await EmbeddedServer.start(os.environ, state_folder(os.environ) / "server.log")
        stack.push_async_callback(server.stop)
        endpoint = msgspec.structs.replace(server.endpoint, api=settings.api)
    provider = connect(endpoint)
    stack.push_async_callback(provider.close)
    return provider, await provider.models()


async def _start_embedded(
    settings: Settings, stack: contextlib.AsyncExitStack, say: Say, progress: Say | None
) -> tuple[Provider, list[ModelInfo]]:
    provider, known = await connect_to(settings, stack, embedded=True)
    # A model that was asked for by name is not made up for by another.
    if settings.default_model in {None, DEFAULT_MODEL} and not any(model.is_chat for model in known):
        say(f"Getting the default model, {DEFAULT_MODEL}, once (93 MB).")
        await get_default_model(os.environ, progress)
        known = await provider.models()
    return provider, known


def endpoint_of(settings: Settings) -> Endpoint:
    """Say where the chosen provider is, and how it is spoken of."""
    return Endpoint(settings.base_url, settings.api_key, _preset_of(settings), settings.api)


def _preset_of(settings: Settings) -> Preset:
    name, own = settings.provider, settings.providers.get(settings.provider)
    preset = PRESETS.get(name) or Preset(
        label=name,
        base_url=settings.base_url,
        base_url_env="",
        api_key_env="",
        start=f"Check that the server of the provider {name} runs.",
    )
    if own is None:
        return preset
    return msgspec.structs.replace(
        preset, label=own.label or preset.label, api_key_env=own.api_key_env or preset.api_key_env
    )
