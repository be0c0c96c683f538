"""Where a sample takes place: a project, the names drawn for it, and what came of a task there."""

import random
from collections.abc import Callable

import msgspec

from train.dressing import dressed
from train.projects import File, Project, make_project
from train.wording import Wordings, wording
from train.words import Names, Split
from vtcode.messages import Message
from vtcode.providers import ToolSpec


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation, and what the end of it is to hold."""

    messages: tuple[Message, ...]
    wanted: tuple[str, ...] = ()
    """Texts that a right answer has."""
    edited: tuple[str, str, str] | None = None
    """A file's path, and its text before and after the right edit."""
    specs: tuple[ToolSpec, ...] = ()
    """Tools beyond our own."""


class Unfit(Exception):
    """The project that was drawn has nothing for such a task."""


class Scene:
    """Draws what a task needs, and remembers which wordings were used."""

    def __init__(self, draw: random.Random, split: Split) -> None:
        self.draw = draw
        self.split: Split = split
        self.names = Names(draw, split)
        self.project: Project = make_project(self.names)
        self.templates: list[str] = []

    def ask(self, wordings: Wordings, **slots: str) -> str:
        """Word what the person says."""
        text, template = wording(self.draw, wordings, self.split, **slots)
        self.templates.append(template)
        return text

    def order(self, wordings: Wordings, *, may_end: bool = True, **slots: str) -> str:
        """Word what the person wants done, in training with what people say around it; see `dressed`."""
        text = self.ask(wordings, **slots)
        return dressed(self.draw, text, self.names.word, may_end=may_end) if self.split == "train" else text

    def pick(self, is_fit: Callable[[File], object]) -> File:
        """Draw a file that fits. Raises Unfit."""
        fitting = [file for file in self.project.files if is_fit(file)]
        if not fitting:
            raise Unfit
        return self.draw.choice(fitting)

    def add(self, file: File) -> None:
        """Put one more file into the project. Raises Unfit where one is already."""
        if file.path in self.project.paths:
            raise Unfit
        self.project = msgspec.structs.replace(self.project, files=(*self.project.files, file))

    def quoted(self, text: str) -> str:
        """Write a text as people put one into a sentence."""
        match self.draw.randrange(5):
            case 0:
                return f"`{text}`"
            case 1 if '"' not in text:
                return f'"{text}"'
            case 2 if "'" not in text:
                return f"'{text}'"
            case _:
                return text
