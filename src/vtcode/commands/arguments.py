"""What the commands share: what each is given, the shape of its help, the values that arguments take."""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path

import msgspec

from vtcode.config import load
from vtcode.settings import Settings
from vtcode.workspace import Workspace


class Invocation(msgspec.Struct, frozen=True):
    """One run of the program: what was typed, and where."""

    options: argparse.Namespace
    root: Path
    """Of the workspace: absolute, with links resolved."""
    environ: Mapping[str, str]

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root)

    @property
    def flags(self) -> Mapping[str, str]:
        """What the common flags set, as the configuration takes it."""
        options = self.options
        names = {"provider": options.provider, "default_model": options.model, "config": options.config}
        return {name: value for name, value in names.items() if value is not None}

    @property
    def assignments(self) -> tuple[str, ...]:
        """Each `key=value` of `-c`, in order."""
        places = ("assigned_first", "assigned", "assigned_last")
        given = tuple(assignment for place in places for assignment in getattr(self.options, place, ()))
        mode = getattr(self.options, "sandbox", None)
        return (*given, f"sandbox.mode={mode}") if mode else given

    def settings(self) -> Settings:
        """Merge the configuration. Raises ConfigError."""
        return load(self.root, self.environ, self.flags, self.assignments)


def describe(parser: argparse.ArgumentParser, description: str, examples: str, notes: str = "") -> None:
    """Give a command's parser its help.

    Args:
        parser: the command's own.
        description: sentences.
        examples: lines, each indented by two.
        notes: what to know besides, such as exit statuses.
    """
    parser.description = description
    parser.epilog = f"examples:\n{examples}" + (f"\n\n{notes}" if notes else "")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_session(parser: argparse.ArgumentParser, *, may_choose: bool) -> None:
    """Add what names the session to go on with.

    Args:
        parser: of a command whose session is kept.
        may_choose: whether `--resume` alone asks which; not where a task follows it.
    """
    parser.add_argument(
        "--continue",
        dest="go_on",
        action="store_true",
        default=argparse.SUPPRESS,
        help="go on with this folder's last session",
    )
    parser.add_argument(
        "--resume",
        metavar="ID",
        nargs="?" if may_choose else None,
        const="" if may_choose else None,
        default=argparse.SUPPRESS,
        help="go on with a session, by the beginning of its id" + ("; without one, choose" if may_choose else ""),
    )
    parser.add_argument(
        "--fork",
        action="store_true",
        default=argparse.SUPPRESS,
        help="leave that session as it is, and go on with a copy",
    )


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
