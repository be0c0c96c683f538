"""The slash commands: one table for what they are called, what they do, their help and their completion."""

import difflib
import importlib
import os
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import msgspec

from vtcode.approval import BUILT_IN, Policy
from vtcode.configfile import ConfigError
from vtcode.output import UsageError
from vtcode.providers import ProviderError
from vtcode.tui.completion import Item
from vtcode.tui.desk import Desk
from vtcode.tui.theme import THEMES
from vtcode.workspace import WorkspaceError

if TYPE_CHECKING:
    from vtcode.tui.prompts import Prompt

_WORD: Final = re.compile(r"/([A-Za-z][\w:-]*)(?:\s+(.*))?", re.DOTALL)


class Command(msgspec.Struct, frozen=True):
    """One slash command."""

    name: str
    usage: str
    """Its arguments."""
    summary: str
    place: str
    """The module in `vtcode.tui.slash` and the function there, which are looked up when it is run: most sessions use
    none of them."""
    needs_rest: bool = False
    """Whether it must wait for the end of the turn."""
    words: tuple[tuple[str, ...], ...] = ()
    """What its first argument can be, and the ones after it, where that is known beforehand."""

    @property
    def run(self) -> Callable[[Desk, str], Awaitable[None]]:
        module, _, function = self.place.partition(":")
        return getattr(importlib.import_module(f"vtcode.tui.slash.{module}"), function)


COMMANDS: Final = (
    Command("model", "[ID]", "choose the model: the catalogue, the server's, or any other id", "server:model", True),
    Command(
        "local",
        "[unload ID]",
        "the server: what is loaded; load, unload, start the embedded one",
        "server:local",
        True,
        (("unload",), ()),
    ),
    Command("status", "", "what this conversation works with", "facts:status"),
    Command("context", "", "what the model's context is spent on", "facts:context"),
    Command(
        "compact",
        "[fast]",
        "make the conversation shorter; fast: by rule, without the model",
        "session:compact",
        True,
        (("fast",),),
    ),
    Command("clear", "", "clear the screen; the conversation stays", "session:clear"),
    Command("new", "", "begin another conversation", "session:new", True),
    Command("resume", "[ID]", "go on with an earlier session", "session:resume", True),
    Command("rewind", "[TURN]", "go back to an earlier turn: files, conversation, or both", "session:rewind", True),
    Command("diff", "[RANGE]", "changes that are not committed, or a range of revisions", "files:diff"),
    Command("review", "[RANGE]", "have the model review these changes", "files:review"),
    Command("approvals", "", "what was approved always, and revoking it", "rules:approvals"),
    Command(
        "policy",
        "[TOOL allow|prompt|deny]",
        "the policies of tools; change one for now",
        "rules:policy",
        words=(tuple(BUILT_IN), tuple(Policy)),
    ),
    Command("sandbox", "", "what commands can reach here", "facts:sandbox"),
    Command("mcp", "", "servers of tools, and their tools", "facts:mcp"),
    Command(
        "theme",
        "[NAME]",
        "choose the colours, with a preview",
        "look:theme",
        words=(tuple(theme.name for theme in THEMES),),
    ),
    Command("init", "", "write a commented vtcode.toml and a draft of AGENTS.md", "files:init"),
    Command("doctor", "", "look at everything that a run needs", "facts:doctor"),
    Command("export", "[FILE]", "write this conversation to a file, as Markdown", "session:export"),
    Command("copy", "[N]", "copy the newest answer, or its Nth block of code", "session:copy"),
    Command("keys", "", "what the keys do", "help:keys"),
    Command("help", "[COMMAND]", "these commands", "help:help_"),
    Command("exit", "", "end vtcode", "help:exit_"),
)
"""In the order of /help."""

_ALSO: Final = {"quit": "exit", "?": "help"}


def find(name: str) -> Command | None:
    """Find a command by its name."""
    name = _ALSO.get(name.lower(), name.lower())
    return next((command for command in COMMANDS if command.name == name), None)


def is_command(line: str, desk: Desk) -> bool:
    """Tell a command from a task that begins with a path, such as `/etc/hosts is what?`."""
    if (match := _WORD.fullmatch(line.strip())) is None:
        return False
    name = match[1]
    if find(name) is not None or not match[2] or name in _own(desk):
        return True
    # Mistyped, rather than about a folder such as `/bin`.
    return bool(_near(name, desk)) and not os.path.lexists(f"/{name}")


async def dispatch(desk: Desk, line: str) -> None:
    """Run a line that is a command."""
    match = _WORD.fullmatch(line.strip())
    assert match is not None, "only what is a command comes here"
    name, arguments = match[1], (match[2] or "").strip()
    command = find(name)
    if command is not None:
        if command.needs_rest and desk.is_working:
            desk.fail(f"/{command.name} has to wait: Esc interrupts what runs.")
            return
        try:
            await command.run(desk, arguments)
        except (UsageError, ConfigError, ProviderError, WorkspaceError) as error:
            desk.fail(str(error))
        return
    from vtcode.tui.prompts import filled

    if (prompt := _own(desk).get(name)) is not None:
        desk.submit(filled(prompt, arguments))
        return
    near = _near(name, desk)
    hint = f" Did you mean /{near[0]}?" if near else ""
    desk.fail(f"There is no command /{name}.{hint} /help lists them.")


def items(desk: Desk) -> list[Item]:
    """List them for completion, and after them the prompts of the person's own."""
    own = _own(desk)
    return [
        *(
            Item(
                f"/{command.name}",
                f"/{command.name}",
                command.summary,
                takes_arguments=bool(command.usage),
                words=(tuple(known.name for known in COMMANDS),) if command.name == "help" else command.words,
            )
            for command in COMMANDS
        ),
        *(Item(f"/{name}", f"/{name}", prompt.about, takes_arguments=True) for name, prompt in own.items()),
    ]


def _own(desk: Desk) -> "dict[str, Prompt]":
    """Give the prompts that can be sent: a command of the same name comes before one."""
    from vtcode.tui.prompts import prompts

    return {name: prompt for name, prompt in prompts(desk).items() if find(name) is None}


def _near(name: str, desk: Desk) -> list[str]:
    known = [*(command.name for command in COMMANDS), *_own(desk)]
    return difflib.get_close_matches(name.lower(), known, n=1)
