"""The person's own prompts, from files: `/name` sends one, with what was typed behind it put in."""

import contextlib
import os
import re
import shlex
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from vtcode.text import visible
from vtcode.workspace import Workspace, WorkspaceError

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_MOST_BYTES: Final = 64_000
_MOST_FILES: Final = 200
_LONGEST_DESCRIPTION: Final = 120
_FRONT: Final = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_DESCRIPTION: Final = re.compile(r"^description:[ \t]*(.+)$", re.MULTILINE)
_PLACE: Final = re.compile(r"\$(ARGUMENTS\b|[1-9](?!\d))")
_OPEN: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


class Prompt(msgspec.Struct, frozen=True):
    """A text with places for arguments."""

    name: str
    description: str
    """Safe to show, in one line."""
    text: str
    source: str
    """Which file it is from, safe to show."""

    @property
    def takes_arguments(self) -> bool:
        return _PLACE.search(self.text) is not None

    def filled(self, arguments: str) -> str:
        """Put arguments in their places: all for `$ARGUMENTS`, one each for `$1` to `$9`; else behind the text."""
        if not self.takes_arguments:
            return f"{self.text}\n\n{arguments}" if arguments else self.text
        words = _words(arguments)

        def given(place: re.Match[str]) -> str:
            if place[1] == "ARGUMENTS":
                return arguments
            return words[int(place[1]) - 1] if int(place[1]) <= len(words) else ""

        # In one go: a `$1` that was typed as an argument is no place.
        return _PLACE.sub(given, self.text).strip()


class Prompts(msgspec.Struct, frozen=True):
    """All that can be used here."""

    by_name: Mapping[str, Prompt]
    problems: tuple[str, ...] = ()
    """Sentences about files that are left out."""


def read_prompts(workspace: Workspace, environ: Mapping[str, str], taken: Iterable[str]) -> Prompts:
    """Read the person's prompts, and those of a workspace that is trusted, which come first.

    Args:
        taken: names that are commands already.
    """
    problems: list[str] = []
    found = _users(environ, problems)
    names = _workspace_names(workspace)
    if names and not _is_trusted(workspace, environ):
        how_many = "1 prompt" if len(names) == 1 else f"{len(names)} prompts"
        problems.append(
            f"{how_many} in .vtcode/prompts: not used, since this workspace is not trusted (vtcode trust)."
        )
    else:
        found |= _workspaces(workspace, names, problems)
    for name in taken:
        if (clash := found.pop(name, None)) is not None:
            problems.append(f"{clash.source} is not used: /{name} is a command already.")
    return Prompts(dict(sorted(found.items())), tuple(problems))


def _users(environ: Mapping[str, str], problems: list[str]) -> dict[str, Prompt]:
    base = Path(environ.get("XDG_CONFIG_HOME") or "")
    home = Path(environ.get("HOME") or Path.home())
    folder = (base if base.is_absolute() else home / ".config") / "vtcode" / "prompts"
    found: dict[str, Prompt] = {}
    for name in _names(folder):
        path = folder / name
        try:
            # The person's own, so it may be a link; opening a pipe would wait for ever.
            with open(os.open(path, _OPEN), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise OSError(0, "not a file")
                _keep(found, name, str(path), file.read(_MOST_BYTES + 1), problems)
        except OSError as error:
            problems.append(f"{visible(str(path), one_line=True)} is not used: {error.strerror}.")
    return found


def _workspace_names(workspace: Workspace) -> list[str]:
    return _names(workspace.root / ".vtcode" / "prompts")


def _workspaces(workspace: Workspace, names: Iterable[str], problems: list[str]) -> dict[str, Prompt]:
    found: dict[str, Prompt] = {}
    for name in names:
        path = f".vtcode/prompts/{name}"
        try:
            with workspace.open_file(workspace.locate(path)) as file:
                _keep(found, name, path, file.read(_MOST_BYTES + 1), problems)
        except WorkspaceError as error:
            problems.append(f"{visible(path, one_line=True)} is not used: {error.sentence}")
    return found


def _names(folder: Path) -> list[str]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.name.endswith(".md"))[:_MOST_FILES]
    return []


def _keep(found: dict[str, Prompt], file: str, source: str, data: bytes, problems: list[str]) -> None:
    name, source = file.removesuffix(".md"), visible(source, one_line=True)
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    front = _FRONT.match(text)
    body = (text[front.end() :] if front else text).strip()
    if not _NAME.fullmatch(name):
        problems.append(f"{source} is not used: a prompt is named with a-z, 0-9 and -.")
    elif len(data) > _MOST_BYTES:
        problems.append(f"{source} is not used: it is longer than {_MOST_BYTES:,} bytes.")
    elif not body:
        problems.append(f"{source} is not used: there is nothing in it.")
    else:
        said = _DESCRIPTION.search(front[1]) if front else None
        about = said[1].strip().strip("\"'") if said else body.partition("\n")[0].lstrip("# ")
        found[name] = Prompt(name, visible(about, one_line=True)[:_LONGEST_DESCRIPTION], body, source)


def _is_trusted(workspace: Workspace, environ: Mapping[str, str]) -> bool:
    """Tell whether the person trusts what the workspace configures now."""
    # Here, since few workspaces have prompts.
    from vtcode.config import ConfigError, configure
    from vtcode.trust import store_for

    try:
        digest = configure(workspace.root, environ).digest
    except ConfigError:
        return False
    return digest is not None and store_for(environ).covers(workspace.root, digest)


def _words(arguments: str) -> list[str]:
    try:
        return shlex.split(arguments)
    except ValueError:
        # A lone quotation mark, as in "don't".
        return arguments.split()
