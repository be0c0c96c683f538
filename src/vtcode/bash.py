"""What a line of bash would run, as far as it can be told without running it.

A line is *plain* when it is nothing but programs with literal words, joined by `&& || ; |` and newlines: then its
commands are exactly what bash would run, and `tests/agent/test_command_rules.py` compares the two. Everything else is
read for its commands all the same, wherever they stand in it, for rules that forbid.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import tree_sitter
import tree_sitter_bash

MOST_CHARACTERS: Final = 32_768
"""Longer lines are not parsed."""

WRAPPERS: Final = frozenset(
    "alias builtin busybox bwrap catchsegv chroot chrt command compgen complete doas entr env eval exec "
    "fakeroot find firejail flock hash ionice ltrace mapfile nice nohup nsenter numactl parallel perf pkexec "
    "prlimit readarray runuser script setarch setpriv setsid ssh stdbuf strace su sudo systemd-run taskset time "
    "timeout toybox trap unbuffer unshare valgrind watch xargs".split()
)
"""Programs and builtins that run what their arguments say."""
SHELLS: Final = frozenset("ash bash csh dash fish ksh mksh rbash sh tcsh yash zsh".split())
"""The same, with a whole script as an argument, or from their input."""

_EVALUATING: Final = frozenset("[ declare getopts let local printf read test typeset unset wait".split())
"""Builtins that run what stands in the index of an array: `test -v 'a[$(rm x)]'`."""

_RESERVED: Final = frozenset(
    "! [[ ]] { } case coproc do done elif else esac fi for function if in select then time until while".split()
)
_STRUCTURE: Final = frozenset(("program", "list", "pipeline"))
_OPERATORS: Final = frozenset(("&&", "||", ";", "|", "\n"))

# The guards: what the grammar takes for an ordinary letter and bash does not.
_WORD: Final = re.compile(r"[^\s\\*?\[\]{}~!#$`^'\"()<>|&;]+")
_QUOTED: Final = re.compile(r"[^\\$`!\"]*")
_GAP: Final = re.compile(r"(?:[ \t\n]|&&|\|\||;|\|)*")
_BLANKS: Final = re.compile(r"[ \t]+")

# The same for reading on where a line is not plain: what makes a word more than its letters.
_EXPANDS: Final = re.compile(r"[*?\[\]$`~]|\{.+\}")
_ESCAPED: Final = re.compile(r"\\(\n|.)", re.DOTALL)
_SCRIPT: Final = re.compile(r"[\s;&|$`()<>\\]")
_SUBSTITUTES: Final = re.compile(r"\$\(|`")
_SET: Final = re.compile(r"\w+=")
_SEPARATORS: Final = re.compile(r"[;&|(){}\n<>`]|\$\(")

_MOST_WRAPPED: Final = 64
_MOST_DEPTH: Final = 4


Words = tuple[str, ...]


class Line(msgspec.Struct, frozen=True):
    """What one line would run."""

    commands: tuple[Words, ...]
    """The words of each command that stands anywhere in it, quotes undone."""
    wrapped: tuple[Words, ...]
    """What may be commands in the arguments of these: of `sudo rm x` also `rm x`, and then `x`."""
    is_plain: bool
    """Whether `commands` is exactly what bash would run, in order."""
    is_known: bool
    """Whether every program that the line starts is among both by its name."""


def read_line(text: str) -> Line:
    """Read a line for what it would run."""
    if len(text) > MOST_CHARACTERS:
        return Line((), tuple(_torn(text[:MOST_CHARACTERS])), is_plain=False, is_known=False)
    data = text.encode("utf-8", "replace")
    root = _parser().parse(data).root_node
    plain = _plain(root, data)
    if plain is not None:
        return _with_wrapped(plain, is_plain=True, is_known=True, depth=0)
    return _found(root, text, depth=0)


@functools.cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


# Plain lines --------------------------------------------------------------------------------------------


def _plain(root: tree_sitter.Node, data: bytes) -> list[Words] | None:
    """Return the commands of a plain line, None for any other."""
    if root.has_error:
        return None
    commands: list[Words] = []
    end = 0
    # Not recursive: a list of commands is as deep as it is long.
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type == "command":
            words = _plain_command(node, data)
            if words is None or not _matches(_GAP, data[end : node.start_byte]):
                return None
            commands.append(words)
            end = node.end_byte
        elif node.type in _STRUCTURE:
            stack.extend(reversed(node.children))
        elif node.type not in _OPERATORS:
            return None
    return commands if commands and _matches(_GAP, data[end:]) else None


def _plain_command(node: tree_sitter.Node, data: bytes) -> Words | None:
    words: list[str] = []
    end = node.start_byte
    for index, child in enumerate(node.children):
        if index == 0:
            if child.type != "command_name" or child.child_count != 1:
                return None
            word = _plain_word(child.children[0], data)
            # A job is meant by `%`: the line `%1` brings one to the front.
            if not word or word in _RESERVED or "=" in word or word.startswith("%"):
                return None
        else:
            if not _matches(_BLANKS, data[end : child.start_byte]):
                return None
            word = _plain_word(child, data)
        if word is None:
            return None
        words.append(word)
        end = child.end_byte
    return tuple(words)


def _plain_word(node: tree_sitter.Node, data: bytes) -> str | None:
    text = data[node.start_byte : node.end_byte]
    match node.type:
        case "word" | "number":
            return text.decode() if _matches(_WORD, text) else None
        case "raw_string":
            return text[1:-1].decode()
        case "string":
            return text[1:-1].decode() if _matches(_QUOTED, text[1:-1]) else None
        case "concatenation":
            parts: list[str] = []
            end = node.start_byte
            for child in node.children:
                part = _plain_word(child, data) if child.start_byte == end else None
                if part is None:
                    return None
                parts.append(part)
                end = child.end_byte
            return "".join(parts)
        case _:
            return None


def _matches(pattern: re.Pattern[str], data: bytes) -> bool:
    return pattern.fullmatch(data.decode()) is not None


# Other lines --------------------------------------------------------------------------------------------


def _found(root: tree_sitter.Node, text: str, *, depth: int) -> Line:
    commands: list[Words] = []
    evaluated: list[str] = []
    is_known = not root.has_error
    stack = [root]
    while stack:
        node = stack.pop()
        stack.extend(reversed(node.children))
        if node.type == "command":
            read = [_loose_word(child) for child in node.children if child.type not in _NO_WORDS]
            words = tuple(word for word, _ in read)
            if words:
                commands.append(words)
                literal = [is_literal for _, is_literal in read]
                is_known = is_known and literal[0] and (all(literal) or not _runs_arguments(words))
        elif node.type in ("declaration_command", "unset_command"):
            commands.append(tuple((child.text or b"").decode() for child in node.children))
        elif node.type == "raw_string" and _is_value(node):
            # Nothing runs it yet, but `${x@P}`, `[[ -v` and `declare -n` do.
            evaluated.append((node.text or b"").decode()[1:-1])
    line = _with_wrapped(commands, is_plain=False, is_known=is_known, depth=depth, evaluated=evaluated)
    return msgspec.structs.replace(line, wrapped=(*line.wrapped, *_torn(text))) if root.has_error else line


_NO_WORDS: Final = frozenset(
    ("variable_assignment", "file_redirect", "herestring_redirect", "heredoc_redirect", "comment", "subscript")
)


def _is_value(node: tree_sitter.Node) -> bool:
    """Tell whether a quoted text with a substitution in it stands elsewhere than among a command's words."""
    parent = node.parent
    is_word = parent is not None and parent.type in ("command", "command_name", "concatenation")
    return not is_word and _SUBSTITUTES.search((node.text or b"").decode()) is not None


def _loose_word(node: tree_sitter.Node) -> tuple[str, bool]:
    """Return a word with quotes and backslashes undone, and whether that is all there is to it."""
    text = (node.text or b"").decode()
    match node.type:
        case "command_name" | "concatenation":
            parts = [_loose_word(child) for child in node.children] or [(text, False)]
            return "".join(part for part, _ in parts), all(is_literal for _, is_literal in parts)
        case "raw_string":
            return text[1:-1], True
        case "string":
            inner = text[1:-1]
            return _ESCAPED.sub(_unescaped, inner), not re.search(r"[$`\\]", inner)
        case "word" | "number":
            bare = _ESCAPED.sub("", text)
            return _ESCAPED.sub(_unescaped, text), _EXPANDS.search(bare) is None
        case _:
            return text, False


def _unescaped(match: re.Match[str]) -> str:
    # A backslash before a newline joins two lines.
    return "" if match[1] == "\n" else match[1]


def _torn(text: str) -> Iterator[Words]:
    """Yield what may be commands of a text that cannot be parsed, each from every word on."""
    for piece in _SEPARATORS.split(_ESCAPED.sub(_unescaped, text)):
        words = tuple(re.sub(r"[\"']", "", piece).split())
        for start in range(min(len(words), _MOST_WRAPPED)):
            yield words[start:]


# Commands within commands -------------------------------------------------------------------------------


def base_name(program: str) -> str:
    """Return a program's name without its folder."""
    return program.rpartition("/")[2]


def _runs_arguments(words: Words) -> bool:
    # Reserved words are here where the grammar takes them for programs: `coproc rm x`.
    return base_name(words[0]) in WRAPPERS | SHELLS | _RESERVED


def _with_wrapped(
    commands: list[Words], *, is_plain: bool, is_known: bool, depth: int, evaluated: Sequence[str] = ()
) -> Line:
    """Add what the commands' arguments run: `sudo rm x`, `sh -c 'rm x'`; and what is found in other texts."""
    wrapped: list[Words] = []
    for text in (*evaluated, *(text for words in commands for text in _indices(words))):
        inner = _inner(text, depth + 1)
        wrapped += (*inner.commands, *inner.wrapped)
    for words in commands:
        if not _runs_arguments(words):
            continue
        # From every word on, since which options take a value is each program's own affair.
        wrapped += [words[start:] for start in range(1, min(len(words), _MOST_WRAPPED))]
        scripts = [word for word in words[1:_MOST_WRAPPED] if _SCRIPT.search(word)]
        is_fed = base_name(words[0]) in SHELLS and all(word.startswith(("-", "+")) for word in words[1:])
        if len(words) > _MOST_WRAPPED or is_fed or any(word.startswith("-") for word in scripts):
            is_known = False
        scripts += [script[found.end() :] for script in scripts if (found := _SET.match(script))]
        if base_name(words[0]) == "eval":
            scripts.append(" ".join(words[1:]))
        for script in scripts:
            inner = _inner(script, depth + 1)
            wrapped += (*inner.commands, *inner.wrapped)
            is_known = is_known and inner.is_known
    return Line(tuple(commands), tuple(wrapped), is_plain=is_plain, is_known=is_known)


def _indices(words: Words) -> list[str]:
    if words[0] not in _EVALUATING:
        return []
    return [word for word in words[1:_MOST_WRAPPED] if _SUBSTITUTES.search(word)]


def _inner(text: str, depth: int) -> Line:
    if depth > _MOST_DEPTH:
        return Line((), tuple(_torn(text)), is_plain=False, is_known=False)
    return _found(_parser().parse(text.encode("utf-8", "replace")).root_node, text, depth=depth)
