"""What the commands' parsers share: the shape of their help, and the values that arguments take."""

import argparse
import math
from typing import TYPE_CHECKING

SUCCESS, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses."""

FILE_COMPLETION = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}
"""How each shell completes a file's name; for an argument's `complete`, which shtab reads."""

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage]


def command(
    commands: "Commands", name: str, *, summary: str, description: str = "", examples: str = "", notes: str = ""
) -> argparse.ArgumentParser:
    """Add the parser of one command.

    Args:
        commands: where to add it.
        name: what is typed.
        summary: a few words for the list of commands.
        description: sentences for the command's own help.
        examples: lines for the end of that help.
        notes: what to know besides, such as exit statuses.
    """
    endings = [f"examples:\n{examples}"] if examples else []
    return commands.add_parser(
        name,
        help=summary,
        description=description or f"{summary[0].upper()}{summary[1:]}.",
        epilog="\n\n".join(endings + ([notes] if notes else [])),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_address(parser: argparse.ArgumentParser, *, has_short_port: bool = True) -> None:
    """Add the options that say which server is meant; `-p` can be left for another option."""
    parser.add_argument("--host", help="the server's address (default: this machine)")
    names = ["--port", "-p"] if has_short_port else ["--port"]
    parser.add_argument(*names, type=port, help="the server's port (default: that of the one that runs)")


def port(text: str) -> int:
    """Parse a TCP port."""
    if text.isdecimal() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, not {text!r}")


def positive(text: str) -> int:
    """Parse a whole number above 0."""
    if text.isdecimal() and len(text) < 19 and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a number above 0, not {text!r}")


def seconds(text: str) -> float:
    """Parse a time in seconds above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if value > 0 and math.isfinite(value):
        return value
    raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, not {text!r}")
