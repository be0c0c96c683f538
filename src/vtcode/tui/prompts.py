"""Prompts of the person's own: Markdown files, each a slash command."""

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from vtcode.places import user_file
from vtcode.text import visible
from vtcode.tui.desk import Desk
from vtcode.workspace import WorkspaceError

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_MOST: Final = 100
_MOST_BYTES: Final = 64_000
_PLACE: Final = re.compile(r"\$(ARGUMENTS|[1-9])")


class Prompt(msgspec.Struct, frozen=True):
    """One of them."""

    text: str
    """With `$ARGUMENTS` for all that is typed after its name, and `$1` to `$9` for single words."""
    about: str


def prompts(desk: Desk) -> dict[str, Prompt]:
    """Read them, by name: `prompts/*.md` beside the person's vtcode.toml, then the workspace's `.vtcode/prompts`.

    The workspace's are only sent when somebody types their name, so that they can do no more than a file that the
    model reads; those of the person come before them. What a workspace names by a link is read within it alone.
    """
    found: dict[str, Prompt] = {}
    for name, path in _files(user_file(desk.environ).parent / "prompts"):
        # The person's own, so it may be a link.
        with contextlib.suppress(OSError):
            _keep(found, name, _read(path))
    for name, path in _files(desk.workspace.root / ".vtcode" / "prompts"):
        if name not in found:
            with contextlib.suppress(OSError, WorkspaceError):
                located = desk.workspace.locate(f".vtcode/prompts/{path.name}")
                with desk.workspace.open_file(located) as file:
                    _keep(found, name, file.read(_MOST_BYTES))
    return found


def filled(prompt: Prompt, arguments: str) -> str:
    """Put in what was typed after the name; it is added at the end of a prompt that has no place for it."""
    words = arguments.split()

    def place(match: re.Match[str]) -> str:
        if match[1] == "ARGUMENTS":
            return arguments
        at = int(match[1]) - 1
        return words[at] if at < len(words) else ""

    if arguments and not _PLACE.search(prompt.text):
        return f"{prompt.text}\n\n{arguments}"
    return _PLACE.sub(place, prompt.text)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".md")
    except OSError:
        return
    for path in paths[:_MOST]:
        if _NAME.fullmatch(path.stem):
            yield path.stem, path


def _read(path: Path) -> bytes:
    # Opening a pipe would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        return file.read(_MOST_BYTES) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""


def _keep(found: dict[str, Prompt], name: str, data: bytes) -> None:
    about, text = _split(data.decode("utf-8", "replace").replace("\r\n", "\n"))
    if text.strip():
        found[name] = Prompt(text.strip(), about)


def _split(text: str) -> tuple[str, str]:
    """Take the front matter off, of which only `description` means something."""
    about = ""
    if text.startswith("---\n") and (end := text.find("\n---", 4)) > 0:
        for line in text[4:end].split("\n"):
            if line.startswith("description:"):
                about = line.removeprefix("description:").strip().strip("\"'")
        text = text[end + 4 :]
    first = next((line.strip("# ") for line in text.split("\n") if line.strip()), "")
    return visible(about or first, one_line=True)[:100], text
