"""`vtcode trust`: what a workspace's vtcode.toml would loosen, and the user's word on it."""

import argparse
import sys
from collections.abc import Coroutine

from vtcode.commands.arguments import Invocation, describe
from vtcode.config import Configuration, configure
from vtcode.console import AskingApprover, Console
from vtcode.text import visible
from vtcode.tomledit import dotted_key, toml_value
from vtcode.trust import TrustStore, store_for

_EXAMPLES = """  vtcode trust
  vtcode trust --yes
  vtcode trust --list
  vtcode trust --revoke"""

_NOTES = """Until you trust it, a workspace's vtcode.toml may only tighten. What you trust is these very bytes: when
the file changes, it has to be trusted again."""


def add(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of `trust`."""
    describe(parser, "Show what this workspace's vtcode.toml would loosen, and let it.", _EXAMPLES, _NOTES)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--yes", action="store_true", help="trust it without a question")
    what.add_argument("--list", action="store_true", help="list the workspaces that are trusted")
    what.add_argument("--revoke", action="store_true", help="trust this workspace no longer")
    parser.set_defaults(command=_trust)


def _trust(invocation: Invocation) -> int | Coroutine[None, None, int]:
    store = store_for(invocation.environ)
    if invocation.options.list:
        return _list(store)
    if invocation.options.revoke:
        was_trusted = store.remove(invocation.root)
        words = "is no longer trusted." if was_trusted else "was not trusted."
        print(visible(f"{invocation.root} {words}"), file=sys.stderr)
        return 0
    return _decide(invocation, store)


def _list(store: TrustStore) -> int:
    trusted = store.all()
    if not trusted:
        print("No workspace is trusted.", file=sys.stderr)
    for root, digest in sorted(trusted.items()):
        print(visible(f"{digest[:12]}  {root}", one_line=True))
    return 0


async def _decide(invocation: Invocation, store: TrustStore) -> int:
    found = configure(invocation.root, invocation.environ, invocation.flags, invocation.assignments)
    if found.digest is None:
        print("This workspace has no vtcode.toml of its own: there is nothing to trust.", file=sys.stderr)
        return 0
    if not found.needs_trust:
        print("This workspace's vtcode.toml loosens nothing: it holds as it is.", file=sys.stderr)
        return 0
    if found.is_trusted:
        print("This workspace's vtcode.toml is trusted already.", file=sys.stderr)
        return 0
    print(_shown(found), file=sys.stderr)
    if not invocation.options.yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            print("vtcode: nobody is there to ask. Say --yes to trust it without a question.", file=sys.stderr)
            return 2
        if not await AskingApprover(Console()).confirm("All of this will hold in this workspace."):
            print("It is not trusted.", file=sys.stderr)
            return 1
    store.add(invocation.root, found.digest)
    print(visible(f"{invocation.root} is trusted until its vtcode.toml changes."), file=sys.stderr)
    return 0


def _shown(found: Configuration) -> str:
    """Write each key that would loosen something with its whole value: what is cut away could be the harmful part."""
    label = next(layer.source.label for layer in found.layers if layer.is_workspace)
    lines = [f"{label} would loosen what holds without it:"]
    for entry in found.needs_trust:
        lines.append(visible(f"  {dotted_key(entry.path)} = {toml_value(entry.value)}  ({entry.why})", one_line=True))
    return "\n".join(lines)
