"""`vtcode exec` and `vtcode ask`."""

import argparse
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

import msgspec

from vtcode.commands.arguments import Invocation, add_session, describe, positive, seconds
from vtcode.commands.opening import is_asked_for, open_session
from vtcode.config import ConfigError
from vtcode.headless import RunOptions, run_once
from vtcode.output import UsageError
from vtcode.startup import Running

_EXEC_EXAMPLES = """  vtcode exec "What is the project name in pyproject.toml?"
  vtcode exec --full-auto "Run the tests and tell me what fails"
  vtcode exec --continue "Now write a test for it"
  cat task.md | vtcode exec -"""

_EXEC_NOTES = """What is said and done is kept as a session (`vtcode sessions list`) until you delete it."""

_ASK_EXAMPLES = """  vtcode ask "What does os.replace promise?"
  git diff | vtcode ask "Review this diff:" -
  vtcode ask --schema person.json "Who wrote the Iliad?\""""

_ASK_NOTES = """With --schema the answer is JSON that the schema accepts, or nothing: the exit status is then 1, and
standard error says where it fails. A file that is no JSON Schema ends with 2."""


def add(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of `exec` or `ask`."""
    if name == "exec":
        describe(parser, "Do one task with the tools, and end.", _EXEC_EXAMPLES, _EXEC_NOTES)
    else:
        describe(parser, "Answer one question, without tools.", _ASK_EXAMPLES, _ASK_NOTES)
        parser.add_argument("--schema", metavar="FILE", type=Path, help="a JSON Schema that the answer must follow")
    parser.add_argument("text", nargs="+", help="the task; `-` stands for standard input")
    add_output(parser)
    if name == "exec":
        parser.add_argument(
            "--max-turns", metavar="N", type=positive, help="most steps (model replies), over agent.max_turns"
        )
        add_session(parser, may_choose=False)
        add_no_session(parser)
    parser.set_defaults(command=_run, with_tools=name == "exec", max_turns=None, schema=None)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add what every headless run takes: where its output goes, and its deadline."""
    parser.add_argument(
        "--json", action="store_true", help="print what happens as JSON lines (`vtcode schema events`)"
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="print nothing but the answer and errors")
    parser.add_argument(
        "--output-last-message", "-o", metavar="FILE", type=Path, help="write the final answer into a file as well"
    )
    parser.add_argument("--timeout", metavar="SECONDS", type=seconds, help="stop after so long (exit status 4)")


def add_no_session(parser: argparse.ArgumentParser) -> None:
    """Add `--no-session`."""
    parser.add_argument("--no-session", action="store_true", help="keep nothing of this run")


def run_options(options: argparse.Namespace, task: Callable[[Running], str], *, with_tools: bool) -> RunOptions:
    """Read the options that `add_output` added, and those of every command."""
    return RunOptions(
        task=task,
        with_tools=with_tools,
        full_auto=options.full_auto,
        embedded=options.embedded,
        as_json=options.json,
        quiet=options.quiet,
        last_message=options.output_last_message,
        seconds=options.timeout,
    )


def _run(invocation: Invocation) -> Coroutine[None, None, int]:
    options = invocation.options
    settings = invocation.settings()
    if options.max_turns is not None:
        settings = msgspec.structs.replace(settings, max_turns=options.max_turns)
    text = " ".join(_with_input(word) for word in options.text)
    if not text.strip():
        raise UsageError("There is no task: the text is empty. Say what to do.")
    given = run_options(options, lambda _: text, with_tools=options.with_tools)
    if options.with_tools and not options.no_session:
        given = msgspec.structs.replace(given, session=open_session(invocation, settings.api_key or ""))
    elif is_asked_for(options):
        raise ConfigError(
            "--no-session keeps nothing, so no session can be gone on with in it."
            if options.with_tools
            else "ask keeps no session and goes on with none. Use `vtcode exec --continue`."
        )
    if options.schema is not None:
        # Loaded for those who ask for it: the validator costs as much as the whole start.
        from vtcode.schema import Schema

        given = msgspec.structs.replace(given, schema=Schema.read(options.schema))
    return run_once(settings, invocation.workspace, given)


def _with_input(word: str) -> str:
    """Take a word of the task, or standard input for `-`; what is not UTF-8 is shown as such, and not sent."""
    if word != "-":
        return word.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    source = getattr(sys.stdin, "buffer", None)
    return source.read().decode("utf-8", "replace") if source is not None else sys.stdin.read()
