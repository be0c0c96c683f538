"""What holds for a run, as values: one struct a table of vtcode.toml."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from vtcode.approval import Policies
from vtcode.providers.presets import PRESETS, Api


class ProviderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[providers.<name>]`, or one entry of `[[custom_providers]]`: what differs from the preset of that name."""

    base_url: str | None = None
    """Without a trailing slash."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key."""
    api: Api | None = None
    label: str | None = None
    """What messages call it."""


class ContextSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[context]`: what the model is shown."""

    max_tokens: int | None = None
    """Use no more than this of the model's context."""
    compact_at: float = 0.8
    """Share of the context from which the conversation is summed up."""
    keep_recent_turns: int = 2
    """Turns that are kept word for word when it is."""
    output_limit: int | None = None
    """Characters of one tool result; None for what suits the context."""
    instructions_max_bytes: int = 8192
    """Of all AGENTS.md files together."""
    warm_up: bool = True
    """Send the fixed part of the prompt ahead while the user types."""


class CommandRules(msgspec.Struct, frozen=True, kw_only=True):
    """`[commands]`: which command lines run without a question, which with one, and which never."""

    allow_list: tuple[str, ...] = ()
    """Command lines, word for word."""
    deny_list: tuple[str, ...] = ()
    allow_glob: tuple[str, ...] = ()
    deny_glob: tuple[str, ...] = ()
    prompt_list: tuple[str, ...] = ()
    prompt_glob: tuple[str, ...] = ()
    sources: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """Which file each rule is from: by `allow_list:cargo test` and the like."""


class SandboxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[sandbox]`: the box around commands."""

    mode: Literal["auto", "required", "any", "off"] = "auto"
    """`auto` takes the strongest box that works here, and asks about each command where that is a weak one or none;
    `any` takes it too, and leaves the asking to the policies; `required` runs no command without a whole one.
    """
    network: Literal["off", "ask", "on"] | tuple[str, ...] = "off"
    """What commands in it reach: nothing, what a person agrees to, everything; or these hosts."""


class McpServer(msgspec.Struct, frozen=True, kw_only=True):
    """`[mcp.servers.<name>]`: a server of tools, over stdio (`command`) or HTTP (`url`)."""

    command: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    url: str | None = None
    api_key_env: str | None = None
    """Name of the environment variable whose value is sent as a bearer token."""
    enabled: bool = True
    timeout_secs: float = 30.0
    """Seconds for one call."""
    source: str = ""
    """Which file it is from."""


class McpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[mcp]`."""

    enabled: bool = True
    servers: Mapping[str, McpServer] = msgspec.field(default_factory=dict[str, McpServer])


class UiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[ui]`."""

    color: Literal["auto", "always", "never"] = "auto"
    show_reasoning: bool = False
    """Print what the model thinks, dimmed, beside the answer."""
    theme: str = "auto"
    """Of the terminal UI, by name; `auto` goes by the terminal's background."""
    editing_mode: Literal["emacs", "vi"] = "emacs"
    notify: Literal["auto", "bell", "off"] = "auto"
    """How the end of a long turn is told: by the terminal's notification (OSC 9), by its bell, or not."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for a run."""

    provider: str = "lmstudio"
    default_model: str | None = None
    temperature: float | None = None
    """None leaves it to the server, as with `max_tokens`."""
    max_tokens: int | None = None
    max_turns: int = 50
    """Most steps (model replies) of one turn. The name is the configuration file's."""
    profile: str = "auto"
    reasoning_effort: str | None = None
    parallel_tool_calls: bool | None = None
    """None sends nothing, as OpenAI's clients do."""
    stall_timeout: float = 600.0
    """Seconds of silence after which a request is given up."""
    base_url: str = PRESETS["lmstudio"].base_url
    """Of the chosen provider, without a trailing slash."""
    base_url_is_set: bool = False
    """Whether somebody chose the address; only the built-in one is made up for by the embedded server."""
    api_key: str | None = None
    api: Api = "auto"
    providers: Mapping[str, ProviderSettings] = msgspec.field(default_factory=dict[str, ProviderSettings])
    """Those that the configuration changes or adds."""
    policies: Policies = Policies()
    commands: CommandRules = CommandRules()
    context: ContextSettings = ContextSettings()
    sandbox: SandboxSettings = SandboxSettings()
    mcp: McpSettings = McpSettings()
    ui: UiSettings = UiSettings()
    sources: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """Where each setting that is not a default comes from, by its key: `agent.provider` → `vtcode.toml`."""
    warnings: tuple[str, ...] = ()
    """Sentences for the user."""

    def __repr__(self) -> str:
        """Leave the key out: reprs end up in logs and traces."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name != "api_key"}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"
