"""`vtcode doctor`."""

import argparse
import json
import sys
from collections.abc import AsyncIterator, Coroutine

import msgspec

from vtcode.commands.arguments import Invocation, add_json, describe
from vtcode.config import ConfigError
from vtcode.console import GREEN, RED, YELLOW, has_colours, paint
from vtcode.doctor import Check, examine
from vtcode.text import visible

_EXAMPLES = """  vtcode doctor
  vtcode doctor --json | jq '.[] | select(.state != "ok")'"""

_COLOURS = {"ok": GREEN, "note": YELLOW, "failed": RED}


def add(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of `doctor`."""
    describe(
        parser,
        "Look at everything that a run needs, and say how to mend what is not well.",
        _EXAMPLES,
        "exit status: 0 a run would work, 1 it would not",
    )
    add_json(parser)
    parser.set_defaults(command=_doctor)


def _doctor(invocation: Invocation) -> Coroutine[None, None, int]:
    async def doctor() -> int:
        checks: list[Check] = []
        async for check in _checks(invocation):
            checks.append(check)
            if not invocation.options.json:
                _show(check)
        if invocation.options.json:
            print(json.dumps(msgspec.to_builtins(checks), indent=2))
        return int(any(check.state == "failed" for check in checks))

    return doctor()


async def _checks(invocation: Invocation) -> AsyncIterator[Check]:
    try:
        settings = invocation.settings()
    except ConfigError as error:
        yield Check("configuration", "failed", "it cannot be used", str(error))
        return
    async for check in examine(settings, invocation.workspace, invocation.environ):
        yield check


def _show(check: Check) -> None:
    state = f"{check.state:<6}"
    if has_colours(sys.stdout):
        state = paint(_COLOURS[check.state], state)
    print(f"{state} {check.name:<14} {visible(check.found, one_line=True)}", flush=True)
    if check.fix:
        print(f"{'':<21} → {visible(check.fix, one_line=True)}", flush=True)
