"""/help, /keys, /exit."""

from vtcode.text import visible
from vtcode.tui.commands import COMMANDS, Command, find
from vtcode.tui.desk import Desk
from vtcode.tui.keys import KEYS
from vtcode.tui.prompts import prompts
from vtcode.tui.theme import Theme
from vtcode.tui.wrap import cut, wrap


async def help_(desk: Desk, arguments: str) -> None:
    """List the commands, or tell of one."""
    width = desk.width()
    if arguments:
        command = find(arguments.lstrip("/"))
        if command is None:
            desk.fail(f"There is no command {arguments}. /help lists them.")
            return
        desk.write(wrap(f"{_usage(command)}: {command.summary}", width))
        return
    rows = [(_usage(command), command.summary) for command in COMMANDS]
    own = [
        (f"/{name}", prompt.about if find(name) is None else "not used: there is a command of this name")
        for name, prompt in prompts(desk).items()
    ]
    lines = ["", desk.theme.paint("heading", "Commands"), *table(desk.theme, rows, width)]
    if own:
        lines += ["", desk.theme.paint("heading", "Your prompts"), *table(desk.theme, own, width)]
    more = "@ mentions a file · ! runs a command in the sandbox · # adds a note to AGENTS.md · /keys lists the keys"
    desk.write([*lines, "", *(desk.theme.paint("dim", line) for line in wrap(more, width))])


async def keys(desk: Desk, arguments: str) -> None:
    """List the keys."""
    del arguments
    desk.write(["", desk.theme.paint("heading", "Keys"), *table(desk.theme, list(KEYS), desk.width())])


async def exit_(desk: Desk, arguments: str) -> None:
    """End the program."""
    del arguments
    desk.exit()


def _usage(command: Command) -> str:
    return f"/{command.name} {command.usage}".rstrip()


def table(theme: Theme, rows: list[tuple[str, str]], width: int) -> list[str]:
    """Lay out names and what each is, in two columns."""
    first = min(max(len(name) for name, _ in rows), width // 2)
    lines: list[str] = []
    for name, about in rows:
        told = wrap(visible(about, one_line=True), max(10, width - first - 4))
        lines.append(f"  {theme.paint('accent', cut(name, first))}{' ' * max(0, first - len(name))}  {told[0]}")
        lines += [" " * (first + 4) + line for line in told[1:]]
    return lines
