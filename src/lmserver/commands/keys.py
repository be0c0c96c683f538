"""`lmstudio key create|list|revoke`: the API keys of the server."""

import argparse
import json
import os
import sys
import time
from typing import TYPE_CHECKING

from lmserver import keys
from lmserver.commands.arguments import SUCCESS, add_json, command
from lmserver.places import state_dir

if TYPE_CHECKING:
    from lmserver.commands.arguments import Commands

_EXAMPLES = """  lmstudio key create laptop             make a key; it is printed once
  lmstudio key create ci > ci.key        keep it in a file
  lmstudio key list                      say which keys there are
  lmstudio key revoke laptop             a running server notices within a second"""


def add(commands: "Commands") -> None:
    """Add `key` to the commands."""
    key = command(
        commands,
        "key",
        summary="make, list and revoke API keys",
        description="Make, list and revoke API keys. Once there is one, every route but /health needs a key.",
        examples=_EXAMPLES,
    )
    actions = key.add_subparsers(title="actions", metavar="ACTION", required=True)

    creating = actions.add_parser("create", help="make a key", description="Make a key, and print it: only once.")
    creating.add_argument("name", metavar="NAME", help="what the log calls whoever uses it")
    creating.set_defaults(command=_create)

    listing = actions.add_parser("list", help="list the keys", description="List the keys, but not their secrets.")
    add_json(listing)
    listing.set_defaults(command=_list)

    revoking = actions.add_parser("revoke", help="revoke a key", description="Revoke a key.")
    revoking.add_argument("name", metavar="NAME")
    revoking.set_defaults(command=_revoke)


def _create(options: argparse.Namespace) -> int:
    key = keys.create(state_dir(os.environ), options.name)
    print(
        f"This is the key {options.name}. It is stored nowhere, so keep it now. Send it as "
        "`Authorization: Bearer KEY`; every route of the server but /health needs a key from now on.",
        file=sys.stderr,
        flush=True,
    )
    print(key)
    return SUCCESS


def _list(options: argparse.Namespace) -> int:
    entries = keys.read(keys.keys_file(state_dir(os.environ)))
    if options.json:
        rows = [{"name": entry.name, "prefix": _start(entry), "created": entry.created} for entry in entries]
        print(json.dumps(rows, indent=2))
        return SUCCESS
    if not entries:
        print("There is no key yet. Make one with `lmstudio key create NAME`.", file=sys.stderr)
    width = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.created))
        print(f"{entry.name:<{width}}  {_start(entry)}...  made {made}")
    return SUCCESS


def _start(entry: keys.KeyEntry) -> str:
    return keys.PREFIX + entry.prefix


def _revoke(options: argparse.Namespace) -> int:
    keys.revoke(state_dir(os.environ), options.name)
    left = keys.read(keys.keys_file(state_dir(os.environ)))
    print(f"The key {options.name} is revoked.", file=sys.stderr)
    if not left:
        print("No key is left: unless LMSTUDIO_API_KEY is set, this machine needs none now.", file=sys.stderr)
    return SUCCESS
