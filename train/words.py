"""Names, values and code that samples are made of; each belongs to the training split or to the held-out one."""

import ast
import functools
import hashlib
import keyword
import random
import re
import sysconfig
from collections import Counter
from pathlib import Path
from typing import Final, Literal

import msgspec

Split = Literal["train", "held"]

_HELD_OF: Final = 6
"""One name in so many is held out."""
_MODULES: Final = 160
"""Modules of the standard library that are looked at, the smaller ones first."""
_SHARED_BY: Final = 2
"""Modules that a word has to be in: most of the others are several words run together."""
_ONSETS: Final = "b br c ch cl d dr f fl g gl gr h j k kl l m n p pl pr qu r s sh sk sl st t th tr v w y z".split()
_VOWELS: Final = "a e i o u ai ea io ou".split()
_CODAS: Final = " b ck d ft g l ll lt m mp n nd ng nt r rk rt s sk st t th x z".split(" ")


class Function(msgspec.Struct, frozen=True):
    """A short function of the standard library."""

    module: str
    name: str
    source: str


def split_of(name: str) -> Split:
    """Say which split a name belongs to, whatever its case: no name is in both."""
    digest = hashlib.sha256(name.lower().encode()).digest()
    return "held" if digest[0] % _HELD_OF == 0 else "train"


@functools.cache
def words(split: Split) -> tuple[str, ...]:
    """Give the words that identifiers of the standard library are made of, those of one module alone left out."""
    modules = Counter(part for path in _modules() for part in _parts(_tree(path)))
    found = {word for word, count in modules.items() if count >= _SHARED_BY}
    usable = {word for word in found if 3 <= len(word) <= 10 and word.isalpha() and not keyword.iskeyword(word)}
    return tuple(sorted(word for word in usable if split_of(word) == split))


@functools.cache
def plain_words(split: Split) -> tuple[str, ...]:
    """Give the words of plain English that the standard library is described in."""
    modules = Counter(word for path in _modules() for word in _described(_tree(path)))
    usable = {word for word, count in modules.items() if count >= _SHARED_BY and not keyword.iskeyword(word)}
    return tuple(sorted(word for word in usable if split_of(word) == split))


@functools.cache
def functions(split: Split) -> tuple[Function, ...]:
    """Give short functions of the modules that belong to a split, and whose names do as well."""
    found: list[Function] = []
    for path in _modules():
        if split_of(path.stem) != split:
            continue
        text = path.read_text(encoding="utf-8")
        for node in _tree(path).body:
            if not isinstance(node, ast.FunctionDef) or node.decorator_list or split_of(node.name) != split:
                continue
            source = ast.get_source_segment(text, node) or ""
            if 2 <= source.count("\n") <= 9 and len(source) < 360 and node.name.isascii() and source.isascii():
                found.append(Function(path.stem, node.name, source))
    return tuple(found)


@functools.cache
def _modules() -> tuple[Path, ...]:
    folder = Path(sysconfig.get_path("stdlib"))
    return tuple(sorted(folder.glob("[a-z]*.py"), key=lambda path: (path.stat().st_size, path.name))[:_MODULES])


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _parts(tree: ast.Module) -> set[str]:
    found = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.arg, ast.ClassDef)))
    names = (node.arg if isinstance(node, ast.arg) else node.name for node in found)
    return {part.lower() for name in names for part in name.split("_")}


def _described(tree: ast.Module) -> set[str]:
    kinds = (ast.Module, ast.FunctionDef, ast.ClassDef)
    texts = (ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds))
    return {word for text in texts for word in re.findall(r"(?<![\w'`.*-])[a-z]{3,10}(?![\w'`*-])", text)}


class Names:
    """Draws names of one split, and remembers them."""

    def __init__(self, draw: random.Random, split: Split) -> None:
        self.draw = draw
        self.split: Split = split
        self.drawn: set[str] = set()

    def word(self) -> str:
        """Draw a word: mostly a real one, else one that nobody has seen, so that copying is what is learned."""
        if self.split == "train" and self.draw.random() < 0.4:
            word = self.draw.choice(plain_words(self.split))
            self.drawn.add(word)
            return word
        is_real = self.draw.random() < 0.9
        word = self.draw.choice(words(self.split)) if is_real else self._invented()
        self.drawn.add(word)
        return word

    def name(self) -> str:
        """Draw a name as functions and variables have."""
        return "_".join(dict.fromkeys(self.word() for _ in range(self.draw.choice((1, 2, 2)))))

    def function(self) -> Function:
        """Draw a function of the standard library."""
        function = self.draw.choice(functions(self.split))
        self.drawn.add(function.name)
        return function

    def number(self) -> str:
        """Draw a number as settings have."""
        match self.draw.randrange(6):
            case 0:
                return str(self.draw.randrange(1, 10))
            case 1:
                return str(self.draw.randrange(10, 100))
            case 2:
                return str(self.draw.randrange(1, 60) * 10)
            case 3:
                return f"{self.draw.random() * 10:.{self.draw.choice((1, 2))}f}"
            case 4:
                return str(2 ** self.draw.randrange(3, 14))
            case _:
                return str(self.draw.randrange(1000, 65536))

    def version(self) -> str:
        """Draw a version."""
        return ".".join(str(self.draw.randrange(limit)) for limit in self.draw.choice(((5, 20, 15), (10, 10))))

    def _invented(self) -> str:
        while True:
            parts = (
                self.draw.choice(_ONSETS) + self.draw.choice(_VOWELS) + self.draw.choice(_CODAS)
                for _ in range(self.draw.choice((1, 2, 2)))
            )
            word = "".join(parts)
            if len(word) >= 4 and split_of(word) == self.split and not keyword.iskeyword(word):
                return word
