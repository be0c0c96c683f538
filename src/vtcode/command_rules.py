"""What the rules of [commands] say of a command line, deny before allow (pure)."""

import functools
import re
import shlex
import unicodedata
from collections.abc import Iterable, Iterator
from fnmatch import translate
from typing import TYPE_CHECKING, Final

import msgspec

from vtcode.approval import Policy, Verdict
from vtcode.settings import CommandRules

if TYPE_CHECKING:
    from vtcode.bash import Line, Words

_LISTED: Final = 3
"""Rules and characters that are named before "and more"."""

_MOST_OPTIONS: Final = 32
"""Words of a command among which its first options are looked for."""

_STATE: Final = frozenset(
    ". alias bind break builtin cd command coproc declare disown enable eval exec exit export fc getopts hash "
    "history let local logout mapfile popd pushd read readarray readonly return set shift shopt source suspend test "
    "time trap typeset ulimit umask unalias unset wait".split()
)
"""Builtins that change what follows, or run what their arguments say."""


class Ruling(msgspec.Struct, frozen=True):
    """What is said of one command line."""

    verdict: Verdict | None = None
    """Of the rule that decides; None leaves it to the tool's policy."""
    caution: str | None = None
    """Why it is asked whatever allows it."""


def rule_on(rules: CommandRules, command: str) -> Ruling:
    """Judge a command line; deny comes before prompt, and prompt before allow.

    A rule of the deny and prompt lists meets every command that can be found in the line, in whatever it stands:
    loops, substitutions, `sudo`, `sh -c`. A rule of the allow lists meets lines that are plain (`vtcode.bash`), when
    each command of the line is allowed.
    """
    caution = _hidden(command)
    denies, prompts = (*rules.deny_list, *rules.deny_glob), (*rules.prompt_list, *rules.prompt_glob)
    if not (denies or prompts or rules.allow_list or rules.allow_glob):
        return Ruling(None, caution)
    # Here, since most runs have no rules and the parser takes its time to load.
    from vtcode.bash import read_line

    line = read_line(command)
    if rule := _meeting(line, deny_list=rules.deny_list, deny_glob=rules.deny_glob):
        return Ruling(Verdict(Policy.DENY, _shown(rules, rule)))
    if caution:
        return Ruling(None, caution)
    if denies and not line.is_known:
        return Ruling(None, "what the line would run cannot be told, and [commands] denies some commands")
    if rule := _meeting(line, prompt_list=rules.prompt_list, prompt_glob=rules.prompt_glob):
        return Ruling(Verdict(Policy.PROMPT, _shown(rules, rule)))
    if prompts and not line.is_known:
        unknown = "what the line would run cannot be told, and [commands] has some commands asked about"
        return Ruling(Verdict(Policy.PROMPT, unknown))
    return Ruling(_allowed(rules, line))


def _hidden(command: str) -> str | None:
    """Return why a line is not what a person would read, or None."""
    if command.isascii() and command.replace("\n", "").replace("\t", "").isprintable():
        return None
    odd = dict.fromkeys(character for character in command if _is_odd(character))
    if not odd:
        return None
    names = ", ".join(f"U+{ord(character):04X}" for character in list(odd)[:_LISTED])
    return f"the command has control or invisible characters ({names}{' and more' if len(odd) > _LISTED else ''})"


def _is_odd(character: str) -> bool:
    if character in " \n\t":
        return False
    # Control, format, private, surrogate and unassigned characters; spaces and breaks that bash takes for letters.
    return unicodedata.category(character)[0] in "CZ"


# Deny and prompt ----------------------------------------------------------------------------------------

_Rule = tuple[str, str]
"""The list that a rule stands in, and its text."""


def _meeting(line: "Line", **rules: tuple[str, ...]) -> _Rule | None:
    """Return the first rule that means a command of the line, of a list of lines and one of globs."""
    every = [form for words in (*line.commands, *line.wrapped) if words for form in _forms(words)]
    joined = {_joined(words) for words in every}
    for kind, texts in rules.items():
        for text in texts:
            if kind.endswith("_glob"):
                is_met = any(map(_glob(text).fullmatch, joined))
            else:
                own = _words(text)
                is_met = bool(own) and any(words[: len(own)] == own for words in every)
            if is_met:
                return (kind, text)
    return None


def _forms(words: "Words") -> Iterator["Words"]:
    """Yield a command as it is written and, of `/usr/bin/git -C x push`, also `git push` and what lies between."""
    for name in dict.fromkeys((words[0], words[0].rpartition("/")[2])):
        for start in _starts(words):
            yield (name, *words[start:])


def _starts(words: "Words") -> list[int]:
    """Return where the words behind a program's first options may begin: which take a value is its own affair."""
    starts = {1}
    for at in range(1, min(len(words) - 1, _MOST_OPTIONS)):
        if at in starts and words[at].startswith("-"):
            starts |= {at + 1, at + 2}
    return sorted(start for start in starts if start == 1 or start < len(words))


# Allow --------------------------------------------------------------------------------------------------


def _allowed(rules: CommandRules, line: "Line") -> Verdict | None:
    """Return that the line is allowed, by the rules for each of its commands; None when one has none."""
    if not line.is_plain:
        return None
    found: dict[_Rule, None] = {}
    for words in line.commands:
        rule = _allowing(rules, words)
        if rule is None:
            return None
        found[rule] = None
    shown = [_shown(rules, rule) for rule in list(found)[:_LISTED]]
    return Verdict(Policy.ALLOW, ", ".join(shown) + (" and more" if len(found) > _LISTED else ""))


def _allowing(rules: CommandRules, words: "Words") -> _Rule | None:
    for text in rules.allow_list:
        if _words(text) == words:
            return ("allow_list", text)
    for text in rules.allow_glob:
        if _may_cover(text, words) and _glob(text).fullmatch(_joined(words)):
            return ("allow_glob", text)
    return None


def _may_cover(text: str, words: "Words") -> bool:
    """Tell whether a glob is meant for this program, where the program could do anything at all.

    `*` covers no `sudo`, `eval` or `export`; whoever means them writes their name. Builtins that take the names of
    variables evaluate what stands between brackets: `printf -v 'a[$(id)]'`.
    """
    from vtcode.bash import SHELLS, WRAPPERS, base_name

    program = base_name(words[0])
    if program in ("printf", "[", "test") and any(word.startswith("-v") or "[" in word for word in words[1:]):
        return False
    if program not in WRAPPERS | SHELLS | _STATE:
        return True
    return text.split()[:1] == [words[0]]


# Both ---------------------------------------------------------------------------------------------------


def _joined(words: Iterable[str]) -> str:
    # A blank within a word is none between words: NUL stands for those, and no word has one.
    return "\0".join(words)


@functools.cache
def _words(text: str) -> tuple[str, ...]:
    """Split a rule into words as a shell does."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return tuple(text.split())


@functools.cache
def _glob(text: str) -> re.Pattern[str]:
    """Compile a glob over the words of a command: `*` stands for any text, `?` for one character.

    A last word that is `*` stands for any further words or none, so that `git *` covers `git` too.
    """
    words = text.split()
    forms = [words[:-1], words] if len(words) > 1 and words[-1] == "*" else [words]
    # A bracket is a letter here: `[` is also a command.
    return re.compile("|".join(translate("\0".join(form).replace("[", "[[]")) for form in forms))


def _shown(rules: CommandRules, rule: _Rule) -> str:
    kind, text = rule
    where = rules.sources.get(f"{kind}:{text}")
    return f'commands.{kind} "{text}"' + (f" ({where})" if where else "")
