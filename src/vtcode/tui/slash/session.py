"""/compact, /clear, /new, /resume, /rewind, /export, /copy: the conversation and what is kept of it."""

import os
import re

from vtcode.commands.opening import row
from vtcode.messages import AssistantMessage
from vtcode.places import state_folder
from vtcode.sessions import SessionError
from vtcode.sessions.history import History
from vtcode.sessions.lines import local_minute
from vtcode.sessions.rewinding import Step, checked_turn, forced, plan, restore, rewind_conversation, undone
from vtcode.sessions.store import Found, Sessions, summary, title
from vtcode.sessions.telling import as_markdown
from vtcode.tomledit import replace_text
from vtcode.tools.diff import unified_diff
from vtcode.tui.chooser import Chooser, Row
from vtcode.tui.copying import MOST_BYTES, osc52, plain
from vtcode.tui.desk import Desk
from vtcode.tui.diff import render_diff
from vtcode.tui.questions import ConfirmPanel
from vtcode.workspace import WorkspaceError

_MOST_OFFERED = 100
_FENCED = re.compile(r"^(`{3,}|~{3,})[^\n]*\n(.*?)^\1`*~*[ \t]*$", re.MULTILINE | re.DOTALL)


async def compact(desk: Desk, arguments: str) -> None:
    """Make the conversation shorter."""
    if arguments not in ("", "fast"):
        desk.fail("Write /compact, or /compact fast for a way without the model.")
        return
    await desk.compact(by_model=not arguments)


async def clear(desk: Desk, arguments: str) -> None:
    """Clear the screen."""
    del arguments
    desk.clear()


async def new(desk: Desk, arguments: str) -> None:
    """Begin another conversation."""
    del arguments
    await desk.use_session(None)
    desk.say("A new conversation. /resume goes back to the one before.")


async def resume(desk: Desk, arguments: str) -> None:
    """Go on with an earlier session of this workspace, or with any by its id."""
    sessions = Sessions(desk.environ)
    try:
        found = sessions.named(arguments) if arguments else await _chosen(desk, sessions)
        if found is not None:
            await desk.use_session(found)
    except SessionError as error:
        desk.fail(str(error))


async def _chosen(desk: Desk, sessions: Sessions) -> Found | None:
    rows: list[Row[Found]] = []
    for found in sessions.of(desk.workspace):
        if found.id != desk.session.id and (entry := summary(found)) is not None and entry.turns:
            rows.append(Row(found, entry.title or entry.id, row(entry).partition("  ")[2].rpartition("  ")[0]))
        if len(rows) == _MOST_OFFERED:
            break
    if not rows:
        desk.say("There is no other session of this workspace.")
        return None
    return await desk.show(Chooser("Go on with a session", rows, desk.theme))


# Going back ----------------------------------------------------------------------------------------------


async def rewind(desk: Desk, arguments: str) -> None:
    """Go back to the end of an earlier turn."""
    if not desk.session.is_kept:
        desk.say("Nothing was said yet.")
        return
    found = Sessions(desk.environ).named(desk.session.id)
    _, history = found.read()
    try:
        turn = checked_turn(history, _number(arguments)) if arguments else await _turn(desk, history)
    except SessionError as error:
        desk.fail(str(error))
        return
    if turn is None:
        return
    steps = plan(history, turn, found.folder, desk.workspace)
    what = await _what(desk, steps)
    if what is None:
        return
    desk.rest()
    if what != "conversation" and not await _restored(desk, steps):
        return
    later = undone(history, turn)
    if what != "files":
        problem = rewind_conversation(desk.session, turn)
        if problem:
            desk.fail(problem)
            return
        await desk.reload()
        desk.say(f"The conversation goes on from the end of turn {turn}.")
        if later:
            # To be said again, in other words.
            desk.fill(later[0].text)
    if what != "conversation" and any(undone_turn.commands for undone_turn in later):
        desk.say("What commands changed is not taken back.")


def _number(arguments: str) -> int:
    if arguments.isdecimal() and len(arguments) < 9:
        return int(arguments)
    raise SessionError("Write the number of a turn, or /rewind alone to choose one.")


async def _turn(desk: Desk, history: History) -> int | None:
    if not history.turns:
        desk.say("There is no turn to go back to.")
        return None
    rows = [
        Row(turn.number - 1, f"before: {title(turn.text)}", local_minute(turn.at)) for turn in reversed(history.turns)
    ]
    return await desk.show(Chooser("Go back to before a turn", rows, desk.theme))


async def _what(desk: Desk, steps: list[Step]) -> str | None:
    changed = [step for step in steps if step.action != "nothing"]
    if not changed:
        return "conversation"
    for step in changed:
        shown = unified_diff(step.path, _text(step.now), _text(step.data))
        desk.write(render_diff(shown, desk.theme, desk.width()))
        if step.action == "refuse":
            desk.fail(f"{step.path}: {step.why}")
    files = f"{len(changed)} {'file' if len(changed) == 1 else 'files'}"
    rows = [
        Row("both", "Files and conversation", files),
        Row("conversation", "The conversation alone"),
        Row("files", "The files alone", files),
    ]
    return await desk.show(Chooser("What goes back?", rows, desk.theme))


async def _restored(desk: Desk, steps: list[Step]) -> bool:
    refused = [step for step in steps if step.action == "refuse"]
    if refused:
        if not all(step.is_forceable for step in refused):
            desk.fail("Nothing was changed: a file cannot be taken back.")
            return False
        names = ", ".join(step.path for step in refused)
        if not await desk.show(ConfirmPanel(f"Take back what somebody else changed since, too? {names}", desk.theme)):
            desk.say("Nothing was changed.")
            return False
        steps = forced(steps)
    try:
        restore(desk.session, desk.workspace, steps)
    except WorkspaceError as error:
        desk.fail(f"Nothing was changed: {error}")
        return False
    for step in steps:
        if step.action in ("restore", "remove"):
            desk.say(f"{'restored' if step.action == 'restore' else 'removed'} {step.path}")
    return True


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "replace")


# Taking along --------------------------------------------------------------------------------------------


async def export(desk: Desk, arguments: str) -> None:
    """Write the conversation to a file."""
    if not desk.session.is_kept:
        desk.say("Nothing was said yet.")
        return
    path = desk.workspace.root / os.path.expanduser(arguments or f"vtcode-{desk.session.id}.md")
    shown = path.relative_to(desk.workspace.root) if path.is_relative_to(desk.workspace.root) else path
    read, history = Sessions(desk.environ).named(desk.session.id).read()
    try:
        # Never over a file that is there.
        with path.open("x", encoding="utf-8", errors="replace") as file:
            file.write(as_markdown(read, history))
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        desk.fail(f"{shown} is there already. Name another file: /export FILE")
    except OSError as error:
        desk.fail(f"{shown} could not be written: {error.strerror}.")
    else:
        desk.say(f"Written to {shown}.")


async def copy(desk: Desk, arguments: str) -> None:
    """Put the newest answer, or a block of code in it, on the clipboard of the terminal."""
    answers = [message.text for message in desk.messages() if isinstance(message, AssistantMessage) and message.text]
    if not answers:
        desk.say("There is no answer yet.")
        return
    text = answers[-1]
    what = "The answer"
    if arguments:
        blocks = [match[2] for match in _FENCED.finditer(text)]
        number = int(arguments) if arguments.isdecimal() and len(arguments) < 5 else 0
        if not 1 <= number <= len(blocks):
            there = f"blocks 1 to {len(blocks)}" if blocks else "no block of code"
            desk.fail(f"The newest answer has {there}: /copy N copies the Nth, /copy alone the whole answer.")
            return
        text, what = blocks[number - 1], f"Block {number}"
    told = osc52(text, desk.environ)
    if told is None:
        path = state_folder(desk.environ) / "copied.md"
        replace_text(path, plain(text))
        desk.say(
            f"{what} cannot go through this terminal to a clipboard (at most {MOST_BYTES:,} bytes): it is in {path}."
        )
        return
    desk.raw(told)
    desk.say(f"{what} was given to the terminal's clipboard ({len(text):,} characters; OSC 52).")
