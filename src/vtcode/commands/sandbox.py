"""`vtcode sandbox`: what a command can reach here, and one run to see."""

import argparse
import json
import shlex
import sys
from collections.abc import Coroutine
from typing import Any

import msgspec

from vtcode.commands.arguments import Invocation, add_json, describe, seconds
from vtcode.output import UsageError
from vtcode.sandbox import Found, Level, bubblewrap, examine, launch
from vtcode.sandbox.environment import home_folder
from vtcode.sandbox.limits import Exceeded, Limits
from vtcode.settings import SandboxSettings
from vtcode.text import visible
from vtcode.tools.process import run_launched

_EXAMPLES = """  vtcode sandbox status
  vtcode sandbox run -- cat ~/.ssh/id_rsa
  vtcode sandbox run -- 'curl https://example.com | head -1'
  vtcode sandbox run --network on -- pip download wheel"""

_NOTES = """`run` does with a command what run_terminal_cmd does with a model's: one argument is a line for bash,
several are a command and its words. Its exit status is the command's; 124 when the time was up, 125 when it was not
run or used more than it may."""

_FOREVER = 10.0**9
_LISTED = 20


def add(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of `sandbox`."""
    describe(parser, "Show what commands can reach in this workspace, and try one.", _EXAMPLES, _NOTES)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    status = actions.add_parser("status", help="which sandbox works here, what it opens and closes")
    add_json(status)
    status.set_defaults(command=_status)
    running = actions.add_parser("run", help="run a command as the model's commands are run")
    running.add_argument("--network", choices=("off", "on"), help="whether it reaches the network (default: as set)")
    running.add_argument("--level", choices=[level.value for level in Level], help="another level than the strongest")
    running.add_argument("--timeout", metavar="SECONDS", type=seconds, help="end it after so long")
    running.add_argument("line", nargs="+", metavar="COMMAND", help="what to run, after `--`")
    running.set_defaults(command=_run)


def _run(invocation: Invocation) -> Coroutine[None, None, int]:
    options = invocation.options
    settings = invocation.settings().sandbox
    found = examine(invocation.environ)
    level = Level(options.level) if options.level else Level.NONE if settings.mode == "off" else found.level
    if options.level is None and settings.mode in ("auto", "required") and not level.is_whole:
        raise UsageError(
            f"No whole sandbox works here ({'; '.join(found.missing)}), so the command was not run. Install "
            f"bubblewrap, or say --level {level.value}."
        )
    network = (options.network or settings.network) == "on"
    line = options.line[0] if len(options.line) == 1 else shlex.join(options.line)
    started = launch(line, invocation.root, level, invocation.environ, network=network)

    async def run() -> int:
        limit = options.timeout or _FOREVER
        try:
            code = await run_launched(started, invocation.root, limit, _to(sys.stdout), _to(sys.stderr))
        except TimeoutError:
            print(f"vtcode: stopped after {limit:g} s", file=sys.stderr)
            return 124
        except Exceeded as excess:
            print(f"vtcode: stopped, for it used {excess}", file=sys.stderr)
            return 125
        except (OSError, ValueError) as error:
            print(f"vtcode: the command could not be started: {visible(str(error))}", file=sys.stderr)
            return 125
        return code if code >= 0 else 128 - code

    return run()


def _to(stream: Any) -> Any:
    """Pass on what the command prints, byte by byte: it is the user's own command."""

    def write(chunk: bytes) -> None:
        stream.buffer.write(chunk)
        stream.buffer.flush()

    return write


def _status(invocation: Invocation) -> int:
    settings = invocation.settings().sandbox
    found = examine(invocation.environ)
    told = _told(invocation, settings, found)
    if invocation.options.json:
        print(json.dumps(told, indent=2))
        return 0
    level = Level.NONE if settings.mode == "off" else found.level
    print(f"level      {level}{' (sandbox.mode is off)' if settings.mode == 'off' else ''}")
    for reason in found.missing:
        print(visible(f"           {reason}", one_line=True))
    print(f"commands   {_decided(level, settings)}")
    print(f"network    {settings.network if level is not Level.NONE else 'on'}")
    for name in ("writable", "read_only", "hidden"):
        paths: list[str] = told.get(name, [])
        for at, path in enumerate(paths[:_LISTED]):
            print(f"{name.replace('_', '-') if at == 0 else '':<10} {visible(path, one_line=True)}")
        if len(paths) > _LISTED:
            print(f"{'':<10} and {len(paths) - _LISTED} more")
    limits = Limits()
    print(
        f"limits     {limits.processes} processes, {limits.most_memory / (1 << 30):.1f} GiB of memory, "
        f"{limits.files} open files, {limits.file_size >> 30} GiB a file"
    )
    return 0


def _told(invocation: Invocation, settings: SandboxSettings, found: Found) -> dict[str, Any]:
    level = Level.NONE if settings.mode == "off" else found.level
    told: dict[str, Any] = {
        "level": level.value,
        "is_whole": level.is_whole,
        "missing": list(found.missing),
        "mode": settings.mode,
        "network": settings.network if level is not Level.NONE else "on",
        "limits": msgspec.to_builtins(Limits()) | {"memory": Limits().most_memory},
    }
    if level is Level.BUBBLEWRAP:
        home = home_folder(invocation.environ)
        told |= msgspec.json.decode(msgspec.json.encode(bubblewrap.places(invocation.root, home, invocation.environ)))
    return told


def _decided(level: Level, settings: SandboxSettings) -> str:
    if level.is_whole or settings.mode in ("any", "off"):
        return "run as the policies say"
    return "are refused" if settings.mode == "required" else "are asked about one by one, whatever the policies say"
