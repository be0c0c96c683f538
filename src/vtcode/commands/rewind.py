"""`vtcode rewind`: back to the end of an earlier turn."""

import argparse
import sys
from collections import Counter

from vtcode.commands.arguments import Invocation, describe
from vtcode.console import Console
from vtcode.sessions.history import History
from vtcode.sessions.lines import Kept, local_minute
from vtcode.sessions.rewinding import Step, checked_turn, forced, plan, restore, rewind_conversation, undone
from vtcode.sessions.session import Session
from vtcode.sessions.store import Found, Sessions, title
from vtcode.text import visible
from vtcode.tools.diff import unified_diff
from vtcode.workspace import Workspace, WorkspaceError

_EXAMPLES = """  vtcode rewind                            the turns of this folder's last session
  vtcode rewind --to 2 --dry-run           what would change
  vtcode rewind --to 2                     files and conversation as they were after turn 2
  vtcode rewind 20260102T03 --to 0 --files files as they were before the session"""

_NOTES = """Files are taken back that vtcode's own tools changed; no version control is needed. What commands changed
is not covered. A file that somebody else changed since is left alone, and with it all others, unless
--force is given.
The log of the session keeps what was said: `vtcode --continue --fork` before rewinding keeps it as a session, too.

exit status: 0 done   1 nothing was changed, since a file could not be taken back   2 wrong usage"""


def add(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of `rewind`."""
    describe(parser, "Go back to the end of an earlier turn: files, conversation, or both.", _EXAMPLES, _NOTES)
    parser.add_argument("id", metavar="ID", nargs="?", help="the session (default: this folder's last one)")
    parser.add_argument("--to", metavar="TURN", type=int, help="the last turn that is to stand; 0 for none")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--files", action="store_true", help="the files alone")
    what.add_argument("--conversation", action="store_true", help="the conversation alone")
    what.add_argument("--both", action="store_true", help="both (the default)")
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    parser.add_argument("--force", action="store_true", help="take files back that somebody else changed since")
    parser.set_defaults(command=_rewind)


def _rewind(invocation: Invocation) -> int:
    options, workspace, sessions = invocation.options, invocation.workspace, Sessions(invocation.environ)
    found = sessions.named(options.id) if options.id is not None else sessions.newest(workspace)
    if options.to is None:
        _, history = found.read()
        _list(found, history)
        return 0
    if options.dry_run:
        _, history = found.read()
        turn = checked_turn(history, options.to)
        return _show(history, turn, _steps(invocation, found, history, turn), options)
    session = sessions.resume(found, workspace)
    try:
        # Read again, now that nobody else writes to it.
        _, history = found.read()
        turn = checked_turn(history, options.to)
        steps = _steps(invocation, found, history, turn)
        return _apply(session, workspace, history, turn, steps, options)
    finally:
        session.close()


def _steps(invocation: Invocation, found: Found, history: History, turn: int) -> list[Step]:
    if invocation.options.conversation:
        return []
    steps = plan(history, turn, found.folder, invocation.workspace)
    return forced(steps) if invocation.options.force else steps


def _list(found: Found, history: History) -> None:
    print(found.id, file=sys.stderr)
    for turn in history.turns:
        paths = {
            placed.fact.path
            for placed in history.files
            if isinstance(placed.fact, Kept) and turn.begin < placed.n <= turn.through
        }
        words = [f"{turn.number:>3}", local_minute(turn.at), title(turn.text)]
        if paths:
            words.append(f"[{', '.join(sorted(paths))}]")
        if turn.commands:
            words.append(f"({_ran(turn.commands)})")
        print(visible("  ".join(words), one_line=True))
    if not history.turns:
        print("no turns", file=sys.stderr)


def _ran(names: list[str]) -> str:
    return ", ".join(f"{name} ×{count}" if count > 1 else name for name, count in Counter(names).items())


def _show(history: History, turn: int, steps: list[Step], options: argparse.Namespace) -> int:
    for step in steps:
        if step.action in {"restore", "remove"}:
            print(visible(unified_diff(step.path, _text(step.now), _text(step.data))))
    _tell(history, turn, steps, options, done=False)
    return int(any(step.action == "refuse" for step in steps))


def _apply(
    session: Session,
    workspace: Workspace,
    history: History,
    turn: int,
    steps: list[Step],
    options: argparse.Namespace,
) -> int:
    console = Console()
    for sentence in session.take_said():
        console.insist(sentence)
    if any(step.action == "refuse" for step in steps):
        _tell(history, turn, steps, options, done=False)
        console.fail("Nothing was changed.")
        return 1
    try:
        restore(session, workspace, steps)
    except WorkspaceError as error:
        console.fail(f"Nothing was changed: {error}")
        return 1
    problem = None if options.files else rewind_conversation(session, turn)
    for sentence in filter(None, [problem, *session.take_said()]):
        console.fail(sentence)
    _tell(history, turn, steps, options, done=True)
    return int(problem is not None)


_DONE = {"restore": "restored", "remove": "removed", "nothing": "unchanged", "refuse": "refused"}
_TO_DO = {"restore": "restore", "remove": "remove", "nothing": "unchanged", "refuse": "refuse"}


def _tell(history: History, turn: int, steps: list[Step], options: argparse.Namespace, *, done: bool) -> None:
    for step in steps:
        why = f": {step.why}" if step.action == "refuse" else ""
        if step.action == "refuse" and step.is_forceable:
            why += " (--force takes it back all the same)"
        word = (_DONE if done else _TO_DO)[step.action]
        print(visible(f"{word:<9}  {step.path}{why}", one_line=True))
    later = undone(history, turn)
    if not options.files:
        words = "goes on" if done else "would go on"
        print(f"The conversation {words} from the end of turn {turn} ({len(later)} undone).")
    ran = [(later_turn.number, later_turn.commands) for later_turn in later if later_turn.commands]
    if not options.conversation and ran:
        turns = "; ".join(f"turn {number}: {_ran(names)}" for number, names in ran)
        print(visible(f"What commands changed is not taken back ({turns}).", one_line=True))


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "replace")
