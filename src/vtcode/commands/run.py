"""`vtcode exec` and `vtcode ask`."""

import argparse
import sys
from collections.abc import Coroutine
from pathlib import Path

from vtcode.commands.arguments import Invocation, describe
from vtcode.headless import RunOptions, run_once

_EXEC_EXAMPLES = """  vtcode exec "What is the project name in pyproject.toml?"
  vtcode exec --full-auto "Run the tests and tell me what fails"
  cat task.md | vtcode exec -"""

_ASK_EXAMPLES = """  vtcode ask "What does os.replace promise?"
  git diff | vtcode ask "Review this diff:" -
  vtcode ask --schema person.json "Who wrote the Iliad?\""""

_ASK_NOTES = """With --schema the answer is JSON that the schema accepts, or nothing: the exit status is then 1, and
standard error says where it fails. A file that is no JSON Schema ends with 2."""


def add(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of `exec` or `ask`."""
    if name == "exec":
        describe(parser, "Do one task with the tools, and end.", _EXEC_EXAMPLES)
    else:
        describe(parser, "Answer one question, without tools.", _ASK_EXAMPLES, _ASK_NOTES)
        parser.add_argument("--schema", metavar="FILE", type=Path, help="a JSON Schema that the answer must follow")
    parser.add_argument("text", nargs="+", help="the task; `-` stands for standard input")
    parser.add_argument("--json", action="store_true", help="print what happens as JSON lines")
    parser.add_argument("--quiet", "-q", action="store_true", help="print nothing but the answer and errors")
    parser.set_defaults(command=_run, with_tools=name == "exec", **({"schema": None} if name == "exec" else {}))


def _run(invocation: Invocation) -> Coroutine[None, None, int]:
    options = invocation.options
    settings = invocation.settings()
    if options.schema is not None:
        # Loaded for those who ask for it: the validator costs as much as the whole start.
        from vtcode.schema import Schema
        from vtcode.structured import ask_structured

        schema = Schema.read(options.schema)
        return ask_structured(settings, invocation.workspace, _run_options(options), schema)
    return run_once(settings, invocation.workspace, _run_options(options))


def _run_options(options: argparse.Namespace) -> RunOptions:
    return RunOptions(
        text=" ".join(_with_input(word) for word in options.text),
        with_tools=options.with_tools,
        full_auto=options.full_auto,
        embedded=options.embedded,
        as_json=options.json,
        quiet=options.quiet,
    )


def _with_input(word: str) -> str:
    """Take a word of the task, or standard input for `-`; what is not UTF-8 is shown as such, and not sent."""
    if word != "-":
        return word.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    source = getattr(sys.stdin, "buffer", None)
    return source.read().decode("utf-8", "replace") if source is not None else sys.stdin.read()
