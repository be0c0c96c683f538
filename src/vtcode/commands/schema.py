"""`vtcode schema`: the JSON Schema of what the program prints."""

import argparse
import json
from typing import Any

import msgspec

from vtcode.commands.arguments import Invocation, describe
from vtcode.events import EPHEMERAL, Event

_EXAMPLES = """  vtcode schema events > events.schema.json"""


def add(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of `schema`."""
    describe(parser, "Print the JSON Schema of the lines that `vtcode exec --json` prints.", _EXAMPLES)
    parser.add_argument("what", choices=["events"])
    parser.set_defaults(command=_print)


def _print(invocation: Invocation) -> int:
    print(json.dumps(events_schema(), indent=2))
    return 0


def events_schema() -> dict[str, Any]:
    """Describe one line of `--json`."""
    drawn = {event.__name__ for event in EPHEMERAL}
    # Through JSON, since defaults that are tuples are arrays there.
    schema = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(Event)))
    kept = {name: part for name, part in schema["$defs"].items() if name not in drawn}
    branches = [branch for branch in schema["anyOf"] if branch["$ref"].rpartition("/")[2] not in drawn]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "One line of `vtcode exec --json`",
        "anyOf": branches,
        "$defs": kept,
    }
