"""`vtcode approvals`: what runs without a question since somebody said "always", and the log of decisions."""

import argparse
import json
import sys
from datetime import UTC, datetime

import msgspec

from vtcode.approvals import Approval, Approvals
from vtcode.audit import Entry, entries
from vtcode.commands.arguments import Invocation, add_json, describe, positive
from vtcode.output import UsageError
from vtcode.places import state_folder
from vtcode.sessions.lines import local_minute
from vtcode.text import visible

_EXAMPLES = """  vtcode approvals list
  vtcode approvals revoke 3f9a
  vtcode approvals revoke --all
  vtcode approvals log -n 20"""

_NOTES = """An approval is for exactly one command line, in one workspace and one kind of sandbox. It never covers
what a policy or a rule denies, nor what is asked about in any case. Approvals and the log are in the state folder
($XDG_STATE_HOME/vtcode), readable for you alone. A revocation counts from the next call of every session."""

_DIGITS = 12
"""Of a digest, as people are shown it."""


def add(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of `approvals`."""
    describe(parser, "List and revoke what was approved always, and show the log of decisions.", _EXAMPLES, _NOTES)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="what was approved always, the oldest first")
    add_json(listing)
    listing.set_defaults(command=_list)
    revoking = actions.add_parser("revoke", help="have some asked about again")
    revoking.add_argument("ids", metavar="ID", nargs="*", help="of the list, or a beginning that no other has")
    revoking.add_argument("--all", action="store_true", help="all of them")
    revoking.set_defaults(command=_revoke)
    logging = actions.add_parser("log", help="what was decided about each call, the oldest first")
    logging.add_argument("-n", dest="most", metavar="N", type=positive, help="the last so many")
    add_json(logging)
    logging.set_defaults(command=_log)


def _list(invocation: Invocation) -> int:
    kept = _approvals(invocation).all()
    if invocation.options.json:
        rows = [{"id": digest, **msgspec.to_builtins(approval)} for digest, approval in kept.items()]
        print(json.dumps(rows, indent=2))
    elif not kept:
        print("Nothing is approved always.", file=sys.stderr)
    else:
        for digest, approval in kept.items():
            print(_row(digest, approval))
    return 0


def _row(digest: str, approval: Approval) -> str:
    subject = approval.subject
    where = f"{subject.workspace} ({subject.sandbox})" if subject.sandbox else subject.workspace
    head = f"{digest[:_DIGITS]}  {_when(approval.created)}  {subject.tool}  in {where}"
    # Whole: what runs without a question, one should be able to read.
    lines = [f"    {visible(line, one_line=True)}" for line in subject.text.split("\n")]
    return "\n".join((visible(head, one_line=True), *lines))


def _revoke(invocation: Invocation) -> int:
    approvals = _approvals(invocation)
    kept = approvals.all()
    if invocation.options.all:
        chosen = set(kept)
    elif invocation.options.ids:
        chosen = {_one(beginning, list(kept)) for beginning in invocation.options.ids}
    else:
        raise UsageError("Name what to revoke by its id (`vtcode approvals list`), or say --all.")
    approvals.revoke(chosen)
    print(f"Revoked {len(chosen)} of {len(kept)}.", file=sys.stderr)
    return 0


def _one(beginning: str, digests: list[str]) -> str:
    found = [digest for digest in digests if beginning and digest.startswith(beginning.lower())]
    if len(found) == 1:
        return found[0]
    how_many = "More than one approval" if found else "No approval"
    raise UsageError(f"{how_many} begins with {beginning!r}. See `vtcode approvals list`; nothing was revoked.")


def _log(invocation: Invocation) -> int:
    found = list(entries(state_folder(invocation.environ) / "audit.jsonl"))
    if invocation.options.most:
        found = found[-invocation.options.most :]
    for entry in found:
        print(json.dumps(msgspec.to_builtins(entry)) if invocation.options.json else _line(entry))
    if not found:
        print("Nothing was decided yet.", file=sys.stderr)
    return 0


def _line(entry: Entry) -> str:
    answer = f" ({entry.answer})" if entry.answer else ""
    words = f"{_when(entry.time)}  {entry.decision}{answer}  {entry.tool}  {entry.text}  [{entry.rule}]"
    return visible(words, one_line=True)


def _when(time: float) -> str:
    try:
        return local_minute(datetime.fromtimestamp(time, UTC).isoformat())
    except (ValueError, OverflowError, OSError):
        # A log that somebody changed.
        return "?"


def _approvals(invocation: Invocation) -> Approvals:
    return Approvals(state_folder(invocation.environ) / "approvals.json")
