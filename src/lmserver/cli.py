"""The command line of `lmstudio`: arguments → one command, errors → one sentence and an exit status."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from lmserver import __version__
from lmserver.commands import chat, completion, get, keys, loaded, log, models, server
from lmserver.commands.arguments import FAILURE, INTERRUPTED, SUCCESS, USAGE
from lmserver.errors import ModelError
from lmserver.text import shown

SUBJECTS = (get, models, server, loaded, chat, keys, log, completion)
"""What adds the commands, in the order of `lmstudio --help`."""

EXAMPLES = """examples:
  lmstudio get                                     get the default model
  lmstudio get qwen2.5-3b-instruct                 get a larger one, in the size that fits this machine
  lmstudio import ~/Downloads/qwen2.5-7b.gguf      add a model file
  lmstudio ls                                      list the models
  lmstudio server start --port 1234 --openai       serve them on this machine until Ctrl-C
  lmstudio server start --detach                   serve them, and leave the server running
  lmstudio chat -p "Why is the sky blue?"          ask one
  curl http://localhost:1234/v1/models             see that it runs

environment:
  LMSTUDIO_MODELS_DIR   the models folder (default: LM Studio's own, ~/.lmstudio/models)
  LMSTUDIO_API_KEY      what clients of the server have to send, and what these commands send
  LMSTUDIO_BASE_URL     the server that ps, load, unload and chat ask (default: the one that runs here)
  LMSTUDIO_THREADS      CPU threads of each model, as --threads sets it
  HF_ENDPOINT           the hub that `get` asks (default: https://huggingface.co)
  HF_TOKEN              what `get` sends to that hub

Each command has a --help of its own. Data goes to standard output, all else to standard error.
"""


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if "command" not in options:
        parser.print_help(sys.stderr)
        return USAGE
    # For the command that starts this program again.
    options.arguments = arguments
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that lacks a character gets its number, as on standard error.
        sys.stdout.reconfigure(errors="backslashreplace")  # pyright: ignore[reportUnknownMemberType]
    try:
        status = options.command(options)
        # Here, since what cannot be written at the interpreter's end leaves a trace. Standard output can be closed.
        print(end="", flush=True)
    except ModelError as error:
        print(f"lmstudio: {shown(str(error))}", file=sys.stderr)
        return FAILURE
    except KeyboardInterrupt:
        print("lmstudio: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (`| head`) left; what it wanted, it has.
        _drop_output()
        return SUCCESS
    except OSError as error:
        # What no command foresaw, such as a disk that is full of what we print.
        _drop_output()
        where = f"{error.filename}: " if error.filename else ""
        print(f"lmstudio: {shown(f'{where}{error.strerror or error}')}", file=sys.stderr)
        return FAILURE
    return status


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """Complains about arguments, which may be a stranger's, in words that steer no terminal."""

    def error(self, message: str) -> NoReturn:
        super().error(shown(message))


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the whole command line."""
    parser = _Parser(
        prog="lmstudio",
        description="Serve local models over an OpenAI-compatible HTTP API.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", "-V", action="version", version=f"lmstudio {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for subject in SUBJECTS:
        subject.add(commands)
    return parser
