"""The command line of `vtcode`: arguments → one command, errors → one sentence and an exit status."""

import argparse
import asyncio
import errno
import importlib
import io
import os
import signal
import sys
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from vtcode import __version__
from vtcode.commands.arguments import Invocation, add_session
from vtcode.config import ConfigError
from vtcode.output import UsageError
from vtcode.text import visible

COMMANDS: Final = {
    "exec": ("run", "do one task with the tools, and end"),
    "ask": ("run", "answer one question, without tools"),
    "models": ("models", "list the models, show one, or try one"),
    "sessions": ("sessions", "list, show, export or delete what was talked about"),
    "rewind": ("rewind", "go back to an earlier turn: files, conversation, or both"),
    "review": ("review", "review changes that are not committed, or a range of revisions"),
    "doctor": ("doctor", "look at everything that a run needs"),
    "init": ("init", "write a commented vtcode.toml and a draft of AGENTS.md"),
    "config": ("config", "show what holds and where it is set, the files, the JSON Schema"),
    "trust": ("trust", "let this workspace's vtcode.toml loosen what yours says"),
    "sandbox": ("sandbox", "what commands can reach here; run one to see"),
    "approvals": ("approvals", "what was approved always: list and revoke it; the log of decisions"),
    "schema": ("schema", "print the JSON Schema of what `exec --json` prints"),
    "completion": ("completion", "complete these commands in a shell"),
    "mcp": ("mcp", "servers of tools: add, list, approve, remove"),
}
"""Each command: the module of `vtcode.commands` that adds its arguments, and what it does. In the order of --help."""

EPILOG = """examples:
  vtcode                                              talk to the agent in this folder
  vtcode exec "What is the project name in pyproject.toml?"
  vtcode exec --full-auto "Run the tests and tell me what fails"
  vtcode --continue                                   go on with this folder's last session
  git diff | vtcode ask "Review this diff:" -
  vtcode --provider lmstudio --model lmstudio-community/qwen2.5-7b-instruct

environment:
  LMSTUDIO_BASE_URL   where the server is (default http://localhost:1234/v1)
  LMSTUDIO_API_KEY    its key, where it needs one
  VTCODE_CONFIG_PATH  one more configuration file, as --config names it
  NO_COLOR            no colours

exit status:
  0 done   1 the server or the model failed   2 wrong usage or configuration
  3 done, but a tool call was denied   4 a limit was reached   130 interrupted
"""


def run(arguments: Sequence[str]) -> int:
    """Run one mode and return its exit status."""
    _mend_streams()
    options = make_parser(arguments).parse_args(arguments)
    try:
        # Unlike Path.resolve, it has a link to itself be an OSError.
        root = Path(os.path.realpath(options.workspace or os.curdir, strict=True))
        os.scandir(root).close()
    except OSError as error:
        where = visible(options.workspace or "the current folder", one_line=True)
        reason = f"{where} cannot be the workspace ({error.strerror})"
        print(f"vtcode: {reason}; name another with --workspace", file=sys.stderr)
        return 2
    try:
        ended = options.command(Invocation(options, root, os.environ))
        status = ended if isinstance(ended, int) else asyncio.run(_until_told_to_end(ended))
        # Here, since what cannot be written at the interpreter's end leaves a trace.
        print(end="", flush=True)
        return status
    except (ConfigError, UsageError) as error:
        print(f"vtcode: {visible(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nvtcode: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output (`| head`) left; what it wanted, it has.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print("vtcode: the output could not be written: there is no room left", file=sys.stderr)
        return 1


def _mend_streams() -> None:
    """Make the three standard streams usable, whatever they were left as: closed, or unable to show a letter."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


async def _until_told_to_end(mode: Coroutine[None, None, int]) -> int:
    """Run a mode; SIGTERM, and SIGHUP of a terminal that closes, end it as Ctrl-C does: nothing is left behind."""
    task = asyncio.current_task()
    assert task is not None
    received: list[int] = []

    def end(number: int) -> None:
        received.append(number)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGHUP):
        # `nohup` starts programs with the hang-up ignored, and means it.
        if signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, end, number)
    try:
        return await mode
    except asyncio.CancelledError:
        if not received:
            raise
        return 128 + received[0]


class _Parser(argparse.ArgumentParser):
    """Complains about arguments, which may be a stranger's, in words that steer no terminal."""

    def error(self, message: str) -> NoReturn:
        super().error(visible(message))


def make_parser(arguments: Sequence[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """Make the parser, whole for the commands that stand among the arguments.

    The others only have their line in the help: each command's module brings imports of its own.
    """
    common = _common("assigned")
    parser = _Parser(
        prog="vtcode",
        description="A coding agent for the terminal whose model runs on your own hardware.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        # Options of its own: the defaults below would else stand in each command's, over what was typed before it.
        parents=[_common("assigned_first")],
    )
    parser.add_argument("--version", "-V", action="version", version=f"vtcode {__version__}")
    parser.add_argument(
        "--plain",
        action="store_true",
        help="talk at a plain prompt, line by line: for screen readers and simple terminals",
    )
    parser.set_defaults(command=_chat, workspace=None, full_auto=False)
    parser.set_defaults(embedded=False, provider=None, model=None, config=None)
    parser.set_defaults(go_on=False, resume=None, fork=False)
    add_session(parser, may_choose=True)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, parents=[common])
        if name in arguments:
            importlib.import_module(f"vtcode.commands.{module}").add(command, name)
            for action in _actions(command):
                _add_common(action, "assigned_last")
    return parser


def _actions(command: argparse.ArgumentParser) -> Iterable[argparse.ArgumentParser]:
    """Give the parsers of what stands behind a command: `list` and `show` of `sessions`."""
    found: Any = command._subparsers  # pyright: ignore[reportPrivateUsage]
    return found._group_actions[0].choices.values() if found is not None else ()


def _chat(invocation: Invocation) -> Coroutine[None, None, int]:
    from vtcode.commands.chat import run

    return run(invocation)


def _common(assigned: str) -> _Parser:
    """Make the arguments that stand before a command and after it.

    Args:
        assigned: where the values of `-c` are kept: argparse lets those after a command replace those before it.
    """
    common = _Parser(add_help=False)
    _add_common(common, assigned)
    return common


def _add_common(common: argparse.ArgumentParser, assigned: str) -> None:
    # SUPPRESS keeps a sub-command's default from overwriting what stood before the sub-command.
    for name, metavar, what in (
        ("--provider", "NAME", "the provider (default: lmstudio)"),
        ("--model", "ID", "the model, by any id that the server lists"),
        ("--config", "FILE", "one more configuration file, over vtcode.toml"),
        ("--workspace", "FOLDER", "the folder to work in (default: the current one)"),
    ):
        common.add_argument(name, metavar=metavar, default=argparse.SUPPRESS, help=what)
    common.add_argument(
        "-c",
        dest=assigned,
        metavar="KEY=VALUE",
        action="append",
        default=argparse.SUPPRESS,
        help="set one key of vtcode.toml for this run, such as agent.max_turns=20; may be repeated",
    )
    common.add_argument(
        "--sandbox",
        choices=("auto", "required", "any", "off"),
        default=argparse.SUPPRESS,
        help="the box around commands, over sandbox.mode: `any` lets the policies alone decide where only a weak one "
        "works, or none",
    )
    common.add_argument(
        "--full-auto",
        action="store_true",
        default=argparse.SUPPRESS,
        help="approve what the policies would ask for, in this run; what they deny stays denied",
    )
    common.add_argument(
        "--embedded",
        action="store_true",
        default=argparse.SUPPRESS,
        help="use the embedded server, whatever else runs",
    )
