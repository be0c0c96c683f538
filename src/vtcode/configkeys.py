"""Every key of vtcode.toml: its type, what is expected in words, and what it is for."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from vtcode.approval import BUILT_IN, Policy
from vtcode.hosts import HOST_RULE
from vtcode.providers.presets import PRESETS
from vtcode.settings import ContextSettings, McpServer, McpSettings, SandboxSettings, Settings, UiSettings

KeyPath = tuple[str, ...]
"""Where a value stands: `("agent", "provider")`. In the table of keys, `*` stands for any name."""

ANY: Final = "*"


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A setting."""

    type: Any
    """What it must be, for msgspec."""
    expected: str
    """The same in words."""
    about: str
    """What it does, as a sentence without its full stop."""
    default: Any = None
    """None where it is unset by default, or depends."""
    live: str | None = None
    """The value that `vtcode init` writes uncommented, as TOML."""
    example: str | None = None
    """What stands there for the user to take: unlike `live`, it would change what holds."""


def _whole(least: int, most: int, about: str, default: int | None = None) -> Key:
    words = f"a whole number from {least:,} to {most:,}"
    return Key(type=Annotated[int, Meta(ge=least, le=most)], expected=words, about=about, default=default)


def _name(
    expected: str, about: str, default: str | None = None, *, live: str | None = None, example: str | None = None
) -> Key:
    kind = Annotated[str, Meta(min_length=1, max_length=500)]
    return Key(type=kind, expected=expected, about=about, default=default, live=live, example=example)


def _words(kind: Any, about: str, default: str | None = None, live: str | None = None) -> Key:
    *most, last = (f'"{word}"' for word in kind.__args__)
    return Key(type=kind, expected=f"{', '.join(most)} or {last}", about=about, default=default, live=live)


def _switch(about: str, default: bool | None = None) -> Key:
    return Key(type=bool, expected="true or false", about=about, default=default)


def _seconds(about: str, default: float) -> Key:
    kind = Annotated[float, Meta(gt=0, le=86_400)]
    return Key(type=kind, expected="a number of seconds up to 86,400", about=about, default=default)


def _texts(about: str, default: tuple[str, ...] = ()) -> Key:
    kind = Annotated[list[Annotated[str, Meta(min_length=1, max_length=4000)]], Meta(max_length=1000)]
    return Key(type=kind, expected="a list of texts", about=about, default=list(default))


def _variable(about: str) -> Key:
    kind = Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
    return Key(type=kind, expected="the name of an environment variable (not the key itself)", about=about)


def _policy(about: str, example: str | None = None) -> Key:
    return Key(type=Policy, expected='"allow", "prompt" or "deny"', about=about, example=example)


_HOSTS: Final = Annotated[list[Annotated[str, Meta(pattern=HOST_RULE)]], Meta(max_length=200)]
_API: Final = Literal["auto", "chat", "responses"]
_URL: Final = Annotated[str, Meta(pattern="^https?://", max_length=2000)]

_PROVIDER: Final[Mapping[str, Key]] = {
    "base_url": Key(type=_URL, expected="an address such as http://localhost:1234/v1", about="Where it answers"),
    "api_key_env": _variable("The environment variable that holds its key"),
    "api": _words(_API, "Which of OpenAI's two APIs is spoken", "auto"),
    "label": _name("a name", "What messages call it"),
}

_context, _sandbox, _server, _ui = ContextSettings(), SandboxSettings(), McpServer(), UiSettings()

KEYS: Final[Mapping[KeyPath, Key]] = {
    ("agent", "provider"): _name(
        "the name of a provider",
        f"Which server to use: {', '.join(PRESETS)}, or one that is added below",
        Settings().provider,
        live='"lmstudio"',
    ),
    ("agent", "default_model"): _name(
        "the id of a model",
        "The model, by any id that the server lists; without one, the server's own choice",
        example='"lmstudio-community/meta-llama-3.1-8b-instruct"',
    ),
    ("agent", "temperature"): Key(
        type=Annotated[float, Meta(ge=0, le=2)],
        expected="a number from 0 to 2",
        about="How freely the model chooses its words; unset leaves it to the server",
    ),
    ("agent", "max_tokens"): _whole(1, 10_000_000, "Most tokens of one reply; unset leaves it to the server"),
    ("agent", "max_turns"): _whole(1, 100_000, "Most replies of the model in one turn", Settings().max_turns),
    ("agent", "profile"): _words(
        Literal["auto", "full", "compact", "guided"],
        "How much the model is led; auto looks at its size and context",
        "auto",
    ),
    ("agent", "reasoning_effort"): _words(
        Literal["none", "minimal", "low", "medium", "high", "xhigh"],
        "How much a model that reasons may think; unset leaves it to the server",
    ),
    ("agent", "parallel_tool_calls"): _switch("Whether one reply may call several tools; unset sends nothing"),
    ("agent", "stall_timeout_secs"): _seconds(
        "Seconds of silence after which a request is given up", Settings().stall_timeout
    ),
    ("tools", "default_policy"): _policy("What happens with tools that have no policy below", example='"prompt"'),
    ("tools", "policies", ANY): _policy("What happens when the model calls this tool"),
    ("commands", "allow_list"): _texts("Command lines that run without a question, word for word"),
    ("commands", "deny_list"): _texts("Command lines that never run; those of all files count"),
    ("commands", "allow_glob"): _texts("The same as allow_list, with * and ?"),
    ("commands", "deny_glob"): _texts("The same as deny_list, with * and ?"),
    ("commands", "prompt_list"): _texts("Command lines that are asked about, over those that are allowed"),
    ("commands", "prompt_glob"): _texts("The same as prompt_list, with * and ?"),
    ("commands", "rules", ANY, "glob"): _name("a command line, with * and ?", "Which command lines the rule is for"),
    ("commands", "rules", ANY, "decision"): _policy("What happens with them"),
    ("commands", "rules", ANY, "match"): _texts("Command lines that the rule has to decide, checked on load"),
    ("commands", "rules", ANY, "no_match"): _texts("Command lines that it must leave alone, checked on load"),
    **{("providers", ANY, name): key for name, key in _PROVIDER.items()},
    ("custom_providers", ANY, "name"): _name("a name", "How [agent] provider names it"),
    ("custom_providers", ANY, "display_name"): _name("a name", "The same as label"),
    **{("custom_providers", ANY, name): key for name, key in _PROVIDER.items()},
    ("context", "max_tokens"): _whole(512, 100_000_000, "Use no more than this of the model's context"),
    ("context", "compact_at"): Key(
        type=Annotated[float, Meta(ge=0.1, le=1)],
        expected="a number from 0.1 to 1",
        about="Share of the context from which the conversation is summed up",
        default=_context.compact_at,
    ),
    ("context", "keep_recent_turns"): _whole(
        0, 1000, "Turns that are kept word for word when it is", _context.keep_recent_turns
    ),
    ("context", "output_limit"): _whole(
        200, 10_000_000, "Characters of one tool result; unset takes what suits the context"
    ),
    ("context", "instructions_max_bytes"): _whole(
        0, 1_000_000, "Bytes of all AGENTS.md files together", _context.instructions_max_bytes
    ),
    ("context", "warm_up"): _switch("Send the fixed part of the prompt ahead while you type", _context.warm_up),
    ("sandbox", "mode"): _words(
        Literal["auto", "required", "any", "off"],
        "The box around commands: the strongest that works, and a question where that is a weak one (auto) or none "
        "(any); a whole one or no command; no box",
        _sandbox.mode,
    ),
    ("sandbox", "network"): Key(
        type=Literal["off", "ask", "on"] | _HOSTS,
        expected='"off", "ask", "on" or a list of hosts such as ["pypi.org", "*.example.com:8443"]',
        about="What commands in it reach: nothing, hosts that you are asked about, everything, or a list of hosts",
        default=_sandbox.network,
    ),
    ("mcp", "enabled"): _switch("Whether servers of tools are used at all", McpSettings().enabled),
    ("mcp", "servers", ANY, "command"): _name("a program", "What starts the server"),
    ("mcp", "servers", ANY, "args"): _texts("Its arguments"),
    ("mcp", "servers", ANY, "env", ANY): Key(type=str, expected="a text", about="A variable for the server"),
    ("mcp", "servers", ANY, "url"): Key(
        type=_URL, expected="an address such as https://example.com/mcp", about="Where a server over HTTP answers"
    ),
    ("mcp", "servers", ANY, "api_key_env"): _variable("The environment variable whose value is its bearer token"),
    ("mcp", "servers", ANY, "enabled"): _switch("Whether it is used", _server.enabled),
    ("mcp", "servers", ANY, "timeout_secs"): _seconds("Seconds for one call", _server.timeout_secs),
    ("ui", "color"): _words(Literal["auto", "always", "never"], "Colours; auto is for terminals", _ui.color),
    ("ui", "show_reasoning"): _switch("Print what the model thinks, dimmed", _ui.show_reasoning),
    ("ui", "theme"): _name(
        "the name of a theme, such as auto", "Colours of the terminal UI; `/theme` shows them", _ui.theme
    ),
    ("ui", "editing_mode"): _words(Literal["emacs", "vi"], "Keys of the editor", _ui.editing_mode),
    ("ui", "notify"): _words(Literal["auto", "bell", "off"], "How the end of a long turn is told", _ui.notify),
}
"""In the order of the file that `vtcode init` writes."""

ABOUT: Final[Mapping[KeyPath, str]] = {
    ("agent",): "The model and how it is asked",
    ("tools",): "Who is asked before a tool runs",
    ("tools", "policies"): "By tool; a tool of an MCP server is named mcp__SERVER__TOOL",
    ("commands",): "Which command lines run without a question, and which never; deny comes first",
    ("providers",): "What differs from a provider that is built in",
    ("custom_providers",): "Other servers with OpenAI's API",
    ("context",): "What the model is shown",
    ("sandbox",): "The box around commands",
    ("mcp", "servers"): "A server has either a command or a url, and is approved with `vtcode mcp approve`",
    ("mcp",): "Servers of tools (Model Context Protocol)",
    ("ui",): "What you are shown",
}
"""What each table is for."""

GUIDE_POLICIES: Final[Mapping[str, str]] = {
    "read_file": "allow",
    "write_file": "prompt",
    "run_terminal_cmd": "prompt",
}
"""Those that the guide's example sets."""


def _branches() -> Mapping[KeyPath, tuple[str, ...]]:
    found: dict[KeyPath, dict[str, None]] = {}
    for path in KEYS:
        for depth in range(len(path)):
            found.setdefault(path[:depth], {})[path[depth]] = None
    return {path: tuple(names) for path, names in found.items()}


BRANCHES: Final = _branches()
"""Each table, and the names that it may hold; `*` is any."""

LISTS: Final[Mapping[KeyPath, tuple[str, ...]]] = {
    ("custom_providers",): ("name", "base_url"),
    ("commands", "rules"): ("glob", "decision"),
}
"""Tables that are written `[[name]]`, and the keys that each entry needs."""


def pattern_of(path: KeyPath) -> KeyPath | None:
    """Return the path in the table of keys that stands for this one, or None."""
    found: KeyPath = ()
    for name in path:
        names = BRANCHES.get(found, ())
        if name not in names and ANY not in names:
            return None
        found = (*found, name if name in names else ANY)
    return found


def plain_keys() -> Iterator[tuple[KeyPath, Key]]:
    """Yield the keys that stand under no name of the user's own."""
    return ((path, key) for path, key in KEYS.items() if ANY not in path)


def default_policy_of(tool: str) -> Policy:
    """Return what holds for a tool when no file says anything."""
    return BUILT_IN.get(tool, Policy.PROMPT)
