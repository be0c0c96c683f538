"""Which session a run works in: `--continue`, `--resume`, `--fork`, `--no-session`."""

import argparse
import asyncio
import sys

from vtcode.commands.arguments import Invocation
from vtcode.console import ask
from vtcode.sessions import SessionError
from vtcode.sessions.lines import local_minute
from vtcode.sessions.session import Session
from vtcode.sessions.store import Found, Sessions, Summary, summary
from vtcode.text import visible

_CHOICES = 10


def open_session(invocation: Invocation, secret: str) -> Session:
    """Open the session that was asked for, or a new one. Raises SessionError."""
    options, workspace = invocation.options, invocation.workspace
    sessions = Sessions(invocation.environ)
    if options.resume is not None:
        found = sessions.named(options.resume) if options.resume else _chosen(invocation, sessions)
    elif options.go_on:
        found = sessions.newest(workspace)
    elif options.fork:
        raise SessionError("--fork copies a session: name which with --continue or --resume.")
    else:
        return sessions.new(workspace, secret)
    return sessions.fork(found, workspace, secret) if options.fork else sessions.resume(found, workspace, secret)


def is_asked_for(options: argparse.Namespace) -> bool:
    """Tell whether an earlier session was named."""
    return bool(options.go_on or options.resume is not None or options.fork)


def row(entry: Summary) -> str:
    """Write a session into a line."""
    when = local_minute(entry.used)
    turns = f"{entry.turns} {'turn' if entry.turns == 1 else 'turns'}"
    words = f"{entry.id}  {when}  {turns:>9}  {entry.model}  {entry.title}"
    return visible(words, one_line=True)


def _chosen(invocation: Invocation, sessions: Sessions) -> Found:
    """Have the person choose; without one, say what there is to choose from. Raises SessionError."""
    found = list(sessions.of(invocation.workspace))[:_CHOICES]
    if not found:
        return sessions.newest(invocation.workspace)
    rows = [row(entry) if (entry := summary(session)) else session.id for session in found]
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise SessionError("Name the session to go on with (--resume ID):\n" + "\n".join(rows))
    for number, words in enumerate(rows, 1):
        print(f"{number:>3}  {words}", file=sys.stderr)
    answer = asyncio.run(ask("Which one? ", sys.stdin, sys.stderr)).strip()
    if answer.isdecimal() and len(answer) < 4 and 1 <= int(answer) <= len(found):
        return found[int(answer) - 1]
    return sessions.named(answer) if answer else _nothing_chosen()


def _nothing_chosen() -> Found:
    raise SessionError("No session was chosen.")
