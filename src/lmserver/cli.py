"""The command line of `lmstudio`: arguments → one command, errors → one sentence and an exit status."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lmserver import __version__
from lmserver.catalog import BrokenFile, Catalog, Entry, models_dir
from lmserver.download import DEFAULT_MODEL, KNOWN, get
from lmserver.errors import ModelError
from lmserver.importing import import_file
from lmserver.places import state_dir
from lmserver.progress import Bar

EXAMPLES = """examples:
  lmstudio get                                     get the default model
  lmstudio import ~/Downloads/qwen2.5-7b.gguf      add a model file
  lmstudio ls                                      list the models
  lmstudio server start --port 1234 --openai       serve them on this machine
  curl http://localhost:1234/v1/models             see that it runs

environment:
  LMSTUDIO_MODELS_DIR   the models folder (default: LM Studio's own, ~/.lmstudio/models)
  LMSTUDIO_API_KEY      what clients of the server have to send
  LMSTUDIO_THREADS      CPU threads of each model, as --threads sets it
"""

SUCCESS, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if "command" not in options:
        parser.print_help(sys.stderr)
        return USAGE
    try:
        return options.command(options)
    except ModelError as error:
        print(f"lmstudio: {error}", file=sys.stderr)
        return FAILURE
    except KeyboardInterrupt:
        print("lmstudio: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (`| head`) left; what it wanted, it has.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SUCCESS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lmstudio",
        description="Serve local models over an OpenAI-compatible HTTP API.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", "-V", action="version", version=f"lmstudio {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    known = commands.add_parser("get", help="get a model", description="Get a model, checked by its digest.")
    known.add_argument(
        "model", nargs="?", default=DEFAULT_MODEL, help=f"one of: {', '.join(KNOWN)} (default: %(default)s)"
    )
    known.add_argument("--yes", "-y", action="store_true", help="accepted for scripts; nothing is asked")
    known.set_defaults(command=_get)

    adding = commands.add_parser("import", help="add a GGUF file", description="Add a GGUF file to the models.")
    adding.add_argument("file", type=Path, metavar="FILE.gguf")
    adding.add_argument("--user-repo", metavar="PUBLISHER/REPO", help="where to put it in the models folder")
    how = adding.add_mutually_exclusive_group()
    how.add_argument("--copy", "-c", dest="how", action="store_const", const="copy", help="copy it (the default)")
    how.add_argument("--move", "-m", dest="how", action="store_const", const="move", help="move it")
    how.add_argument("--hard-link", "-L", dest="how", action="store_const", const="hardlink", help="hard-link it")
    how.add_argument(
        "--symbolic-link",
        "-l",
        dest="how",
        action="store_const",
        const="symlink",
        help="link to it where it is",
    )
    adding.add_argument("--yes", "-y", action="store_true", help="accepted for scripts; nothing is asked")
    adding.set_defaults(command=_import, how="copy")

    listing = commands.add_parser("ls", help="list the models", description="List the models on disk.")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(command=_ls)

    server = commands.add_parser("server", help="run the server", description="Run the server.")
    actions = server.add_subparsers(title="actions", metavar="ACTION", required=True)
    starting = actions.add_parser(
        "start",
        help="serve until Ctrl-C",
        description="Serve the models over HTTP until Ctrl-C. Models load on their first request.",
    )
    starting.add_argument(
        "--port", "-p", type=_port, default=1234, help="TCP port (default: %(default)s; 0 picks one)"
    )
    starting.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    starting.add_argument("--openai", action="store_true", help="serve the OpenAI API (which is always served)")
    starting.add_argument(
        "--insecure-no-key",
        action="store_true",
        help="let other machines in although LMSTUDIO_API_KEY is not set",
    )
    starting.add_argument("--context-length", type=_positive, metavar="TOKENS", help="context of each model")
    starting.add_argument(
        "--output-limit",
        type=_positive,
        metavar="TOKENS",
        help="longest reply to a request that sets no limit (default: 2048)",
    )
    starting.add_argument("--threads", type=_positive, metavar="N", help="CPU threads of each model (default: all)")
    starting.add_argument(
        "--script", type=Path, metavar="FILE.json", help="also serve the scripted model in this file"
    )
    starting.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    starting.set_defaults(command=_start)
    return parser


def _port(text: str) -> int:
    if text.isdecimal() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, not {text!r}")


def _positive(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a number above 0, not {text!r}")


def _get(options: argparse.Namespace) -> int:
    model = KNOWN.get(options.model)
    if model is None:
        raise ModelError(
            f"{options.model!r} is not a model that `lmstudio get` knows. It knows: {', '.join(KNOWN)}. "
            "Add any other GGUF file with `lmstudio import FILE.gguf`."
        )
    with Bar() as bar:
        if model.is_source:
            # The converter's libraries take longer to import than all else that this command does.
            try:
                from lmserver.minilm import get_minilm
            except ModuleNotFoundError as error:
                raise ModelError(
                    f"Converting this model needs {error.name}, which is not installed. "
                    "Install it with `pip install 'vtcode[server]'`."
                ) from error

            path = get_minilm(models_dir(os.environ), bar.show)
        else:
            path = get(model, models_dir(os.environ), bar.show)
    print(f"{model.id} is at {path}", file=sys.stderr)
    return SUCCESS


def _import(options: argparse.Namespace) -> int:
    with Bar() as bar:
        path = import_file(options.file, models_dir(os.environ), options.user_repo, options.how, bar.show)
    print(f"imported: {path}", file=sys.stderr)
    return SUCCESS


def _ls(options: argparse.Namespace) -> int:
    root = models_dir(os.environ)
    entries = Catalog(root).scan()
    if options.json:
        print(json.dumps([_row(entry) for entry in entries], indent=2))
        return SUCCESS
    if not entries:
        print(f"No models in {root} yet. Get the default one with `lmstudio get`.", file=sys.stderr)
    rows = [("MODEL", "PARAMS", "QUANT", "SIZE", "CONTEXT")]
    for entry in entries:
        if not isinstance(entry, BrokenFile):
            header = entry.header
            rows.append(
                (
                    entry.id,
                    _scaled(header.parameters, 1000, "KMBT"),
                    header.quantization,
                    _scaled(header.size_bytes, 1000, "KMGT") + "B",
                    str(header.context_length or "?"),
                )
            )
    if len(rows) > 1:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for entry in entries:
        if isinstance(entry, BrokenFile):
            print(f"unusable: {entry.name}: {entry.reason}", file=sys.stderr)
    return SUCCESS


def _row(entry: Entry) -> dict[str, object]:
    if isinstance(entry, BrokenFile):
        return {"path": entry.name, "error": entry.reason}
    header = entry.header
    return {
        "id": entry.id,
        "path": str(entry.path),
        "type": entry.kind,
        "publisher": entry.publisher,
        "arch": header.architecture,
        "quantization": header.quantization,
        "parameters": header.parameters,
        "size_bytes": header.size_bytes,
        "max_context_length": header.context_length,
    }


def _scaled(number: float, step: int, units: str) -> str:
    """Write a count in three figures: 134515008 → 135M."""
    unit = ""
    for larger in units:
        if number < step:
            break
        number, unit = number / step, larger
    return f"{number:.3g}{unit}"


def _start(options: argparse.Namespace) -> int:
    # The server is the one heavy mode, and the one that needs the extra.
    try:
        from lmserver.serve import ServerOptions, serve
    except ModuleNotFoundError as error:
        raise ModelError(
            f"The server needs {error.name}, which is not installed. Install it with `pip install 'vtcode[server]'`."
        ) from error

    return serve(
        ServerOptions(
            host=options.host,
            port=options.port,
            key=os.environ.get("LMSTUDIO_API_KEY", "").strip() or None,
            allow_no_key=options.insecure_no_key,
            context_length=options.context_length,
            output_limit=options.output_limit,
            threads=options.threads or _threads_from(os.environ.get("LMSTUDIO_THREADS", "")),
            script=options.script,
            models=models_dir(os.environ),
            state=state_dir(os.environ),
            is_child=options.child,
        )
    )


def _threads_from(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) > 0 else None
