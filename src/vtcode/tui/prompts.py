"""Prompts of the person's own: Markdown files, each a slash command."""

import re
from pathlib import Path
from typing import Final

import msgspec

from vtcode.places import user_file
from vtcode.text import visible
from vtcode.tui.desk import Desk

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
    model reads; those of the person come before them.
    """
    found: dict[str, Prompt] = {}
    for folder in (user_file(desk.environ).parent / "prompts", desk.workspace.root / ".vtcode" / "prompts"):
        for name, prompt in _read(folder).items():
            found.setdefault(name, prompt)
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


def _read(folder: Path) -> dict[str, Prompt]:
    found: dict[str, Prompt] = {}
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".md" and path.is_file())
    except OSError:
        return found
    for path in paths[:_MOST]:
        if not _NAME.fullmatch(path.stem):
            continue
        try:
            with path.open("rb") as file:
                text = file.read(_MOST_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
        about, text = _split(text)
        if text.strip():
            found[path.stem] = Prompt(text.strip(), about)
    return found


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
