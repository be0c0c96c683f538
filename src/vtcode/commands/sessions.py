"""`vtcode sessions`: what was talked about, listed, shown, exported and deleted."""

import argparse
import json
import re
import sys
import time
from pathlib import Path

import msgspec

from vtcode.commands.arguments import Invocation, add_json, describe
from vtcode.commands.opening import row
from vtcode.console import Console
from vtcode.output import UsageError, check_writable, write_whole
from vtcode.sessions import SessionBusy
from vtcode.sessions.store import Found, Sessions, summary
from vtcode.sessions.telling import as_json, as_lines, as_markdown
from vtcode.text import visible

_EXAMPLES = """  vtcode sessions list
  vtcode sessions show 20260102T03
  vtcode sessions export 20260102T03 -o session.md
  vtcode sessions delete --older-than 30d"""

_NOTES = """A session is named by its id, or by a beginning of it that no other has. Sessions are kept until you
delete them: nothing is deleted by itself. They hold what was said, what tools returned, and what files were before
they were changed, in the state folder ($XDG_STATE_HOME/vtcode/sessions), readable for you alone.

exit status: 0 done   1 a session is open in another vtcode   2 wrong usage, or no such session"""

_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def add(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of `sessions`."""
    describe(parser, "List, show, export or delete sessions.", _EXAMPLES, _NOTES)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the sessions of this folder, the last one first")
    listing.add_argument("--all", action="store_true", help="those of all folders")
    add_json(listing)
    listing.set_defaults(command=_list)
    showing = actions.add_parser("show", help="what was said and done in one")
    showing.add_argument("id", metavar="ID")
    add_json(showing)
    showing.set_defaults(command=_show)
    exporting = actions.add_parser("export", help="write one for people (md) or programs (json)")
    exporting.add_argument("id", metavar="ID")
    exporting.add_argument("--format", choices=["md", "json"], default="md")
    exporting.add_argument("--output", "-o", metavar="FILE", type=Path, help="where to (default: standard output)")
    exporting.set_defaults(command=_export)
    deleting = actions.add_parser("delete", help="delete some, with all that they keep")
    deleting.add_argument("ids", metavar="ID", nargs="*")
    deleting.add_argument(
        "--older-than",
        metavar="TIME",
        type=_age,
        help="of this folder, those not used for so long, such as 30d or 12h",
    )
    deleting.add_argument("--all", action="store_true", help="with --older-than: of all folders")
    deleting.set_defaults(command=_delete)


def _age(text: str) -> float:
    match = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"expected a time such as 30d, 12h, 90m or 4w, not {text!r}")
    return int(match[1]) * _UNITS[match[2]]


def _list(invocation: Invocation) -> int:
    sessions = Sessions(invocation.environ)
    found = sessions.found() if invocation.options.all else sessions.of(invocation.workspace)
    entries = [(session, summary(session)) for session in found]
    told = [entry for _, entry in entries if entry is not None]
    if invocation.options.json:
        print(json.dumps(msgspec.to_builtins(told), indent=2))
    else:
        for entry in told:
            where = f"  ({visible(entry.workspace, one_line=True)})" if invocation.options.all else ""
            print(row(entry) + where)
        if not told:
            print("no sessions", file=sys.stderr)
    for session, entry in entries:
        if entry is None:
            print(f"vtcode: the log of {session.id} does not tell what it is", file=sys.stderr)
    return 0


def _show(invocation: Invocation) -> int:
    found = Sessions(invocation.environ).named(invocation.options.id)
    read, history = found.read()
    for sentence in msgspec.structs.replace(read, skipped=read.skipped + history.skipped).problems():
        print(f"vtcode: {sentence}", file=sys.stderr)
    if invocation.options.json:
        print(json.dumps(as_json(read, history), indent=2))
    else:
        for line in as_lines(read, history):
            print(visible(line))
    return 0


def _export(invocation: Invocation) -> int:
    options = invocation.options
    if options.output is not None:
        check_writable(options.output)
    read, history = Sessions(invocation.environ).named(options.id).read()
    if options.format == "json":
        text = json.dumps(as_json(read, history), indent=2) + "\n"
    else:
        text = as_markdown(read, history)
    if options.output is not None:
        write_whole(options.output, text)
    else:
        # What goes into a file is as it was said; what may go to a terminal cannot steer it.
        print(visible(text) if sys.stdout.isatty() else text, end="")
    return 0


def _delete(invocation: Invocation) -> int:
    options, sessions = invocation.options, Sessions(invocation.environ)
    if bool(options.ids) == (options.older_than is not None):
        raise UsageError("Name the sessions to delete, or say --older-than TIME.")
    # All are found before the first is deleted: a name that fits none deletes nothing.
    found = [sessions.named(name) for name in options.ids] or _old(invocation, sessions)
    sessions.clean()
    status = 0
    for session in {session.id: session for session in found}.values():
        try:
            sessions.delete(session)
            print(session.id)
        except SessionBusy as error:
            Console().fail(str(error))
            status = 1
    if not found:
        print("no sessions are that old", file=sys.stderr)
    return status


def _old(invocation: Invocation, sessions: Sessions) -> list[Found]:
    before = time.time() - invocation.options.older_than
    found = sessions.found() if invocation.options.all else sessions.of(invocation.workspace)
    return [session for session in found if session.used < before]
