"""Reads one `vtcode.toml`: from bytes to checked values, or to an error that says where and what to do."""

import difflib
import errno
import math
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from vtcode.approval import BUILT_IN, Policy
from vtcode.configkeys import ANY, BRANCHES, KEYS, LISTS, KeyPath, pattern_of
from vtcode.providers.presets import PRESETS
from vtcode.text import visible
from vtcode.urls import url_problem

MOST_BYTES: Final = 1 << 20
MOST_DOTTED: Final = 20_000
"""The sum of the squares of the dots in each line: what the TOML reader takes for dotted keys grows with it."""
_MOST_VALUES: Final = 1000
_MOST_WARNINGS: Final = 10

Table = dict[str, Any]

_POLICIES: Final = ("tools", "policies")
_PROVIDERS: Final = ("providers",)
_CUSTOM: Final = ("custom_providers",)
_RULES: Final = ("commands", "rules")

# Tools of the original program that we do not have. Their names come close to ours without being mistakes.
_FOREIGN_TOOLS: Final = frozenset({"create_file", "delete_file", "find_file", "move_file", "copy_file"})


class ConfigError(Exception):
    """A configuration that cannot be used: where, what was expected and what to do."""


class Checked(msgspec.Struct, frozen=True):
    """What one layer sets, each value as it must be."""

    values: Mapping[KeyPath, Any]
    """An entry of [[custom_providers]] stands as `("providers", its name, …)`."""
    warnings: tuple[str, ...] = ()
    written: Mapping[KeyPath, KeyPath] = msgspec.field(default_factory=dict[KeyPath, KeyPath])
    """Where in the file a value stands, if that is not its own path."""


class Source(msgspec.Struct, frozen=True):
    """Where a layer comes from: what errors and rules call it, and its text, in which keys have lines."""

    label: str
    text: str = ""

    def error(self, path: KeyPath, problem: str) -> ConfigError:
        """Return an error about the key at `path`."""
        line = lines_of(self.text).get(path)
        where = f"{self.label}, line {line}" if line else self.label
        return ConfigError(f"{where}: {dotted(path)} {problem}")


def dotted(path: KeyPath) -> str:
    """Write a key as messages name it."""
    return visible(".".join(path), one_line=True)[:200]


def read_table(path: Path, label: str) -> tuple[Source, Table]:
    """Read a file as TOML. Raises FileNotFoundError if there is none, ConfigError for all else."""
    try:
        data = _read(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"{label} cannot be read: {error.strerror}. Correct or remove it.") from error
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{label} is larger than 1 MiB, which no configuration needs. Correct or remove it.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{label}, line {line}: not valid UTF-8. Save the file as UTF-8.") from error
    if sum(_dots(line) ** 2 for line in text.split("\n") if "." in line) > MOST_DOTTED:
        raise ConfigError(f"{label} is nested too deeply. A setting is at most four tables deep.")
    try:
        return Source(label, text), tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax(label, str(error))) from error
    except ValueError as error:
        # tomllib lets Python's own limit on the digits of a number through.
        raise ConfigError(f"{label}: not valid TOML ({visible(str(error), one_line=True)[:100]}).") from error
    except RecursionError as error:
        raise ConfigError(f"{label} is nested too deeply. A setting is at most two tables deep.") from error


def check(source: Source, table: Table) -> Checked:
    """Check everything that we know. Raises ConfigError for a value that is wrong or a name that is mistyped."""
    return _Check(source).run(table)


class _Check:
    """One pass over one file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._values: dict[KeyPath, Any] = {}
        self._written: dict[KeyPath, KeyPath] = {}
        self._unknown: list[str] = []
        self._count = 0

    def run(self, table: Table) -> Checked:
        self._walk((), table)
        values = self._with_rules(self._with_custom_providers())
        shown = self._unknown[:_MOST_WARNINGS]
        warnings = [f"{self._source.label}: {name} is not known here and has no effect." for name in shown]
        if more := len(self._unknown) - len(shown):
            warnings.append(f"{self._source.label}: {more:,} more names are not known here and have no effect.")
        return Checked(values, tuple(warnings), self._written)

    def _walk(self, path: KeyPath, table: Table) -> None:
        known = BRANCHES[cast("KeyPath", pattern_of(path))]
        for name, value in table.items():
            self._count += 1
            if self._count > _MOST_VALUES:
                raise ConfigError(
                    f"{self._source.label} sets more than {_MOST_VALUES:,} names, which no configuration needs. "
                    "Correct or remove it."
                )
            here = (*path, name)
            if not self._is_known(path, name, value, known):
                self._unknown.append(dotted(here))
                # A policy for an unknown tool still has to be one, and holds if there is such a tool.
                if path != _POLICIES:
                    continue
            pattern = pattern_of(here)
            assert pattern is not None
            if pattern in KEYS:
                self._values[here] = checked_value(self._source, here, value)
            elif here in LISTS:
                self._walk_list(here, value)
            elif isinstance(value, dict):
                self._walk(here, cast("Table", value))
            else:
                raise self._source.error(here, f"is {_shown(value)}; expected a table, written [{dotted(here)}].")

    def _walk_list(self, path: KeyPath, value: object) -> None:
        entries = cast("list[object]", value) if isinstance(value, list) else [None]
        for number, entry in enumerate(entries):
            if not isinstance(entry, dict):
                problem = f"is not a list of tables; expected tables, each written [[{dotted(path)}]]."
                raise self._source.error(path, problem)
            self._walk((*path, str(number)), cast("Table", entry))

    def _is_known(self, path: KeyPath, name: str, value: object, known: tuple[str, ...]) -> bool:
        """Tell a known name from one that only means nothing here. Raises ConfigError for what looks like a mistake.

        A mistyped name must not pass with a warning: it may be the one that forbids something.
        """
        if path == _POLICIES:
            if name in BUILT_IN or re.fullmatch(r"mcp__.+__.+", name):
                return True
            known = tuple(BUILT_IN)
        elif path == _PROVIDERS:
            # One that is added has an address, here or in another file.
            if name not in PRESETS and not (isinstance(value, dict) and "base_url" in value):
                self._refuse_mistake(path, name, tuple(PRESETS), 0.7)
            return True
        elif ANY in known or name in known:
            return True
        self._refuse_misplaced_policy(path, name, value)
        if path != _POLICIES or name not in _FOREIGN_TOOLS:
            # In [tools] nearly everything is about what is allowed: "policy" is taken for "policies".
            self._refuse_mistake(path, name, known, 0.65 if path == ("tools",) else 0.8)
        if path == ("commands",) and name.startswith("deny"):
            problem = "is not known, and would forbid nothing. Use deny_list or deny_glob."
            raise self._source.error((*path, name), problem)
        return False

    def _refuse_misplaced_policy(self, path: KeyPath, name: str, value: object) -> None:
        # A policy in the wrong table would forbid nothing.
        if path != _POLICIES and (name in BUILT_IN or (isinstance(value, str) and value in tuple(Policy))):
            place = "[tools]" if name == "default_policy" else "[tools.policies]"
            raise self._source.error((*path, name), f"is a policy in the wrong place. Put it under {place}.")
        if not path and name in {"policies", "default_policy"}:
            raise self._source.error((name,), f"is not known at the top. Put it under [tools], as [tools.{name}].")

    def _refuse_mistake(self, path: KeyPath, name: str, known: tuple[str, ...], cutoff: float) -> None:
        names = {known_name.casefold(): known_name for known_name in known}
        if len(name) > 60:
            return
        close = difflib.get_close_matches(name.casefold().replace("-", "_"), names, n=1, cutoff=cutoff)
        if close:
            raise self._source.error((*path, name), f"is not known. Did you mean {names[close[0]]}?")

    def _with_custom_providers(self) -> dict[KeyPath, Any]:
        """Put the entries of [[custom_providers]] among the providers, by their names."""
        values = {path: value for path, value in self._values.items() if path[:1] != _CUSTOM}
        entries: dict[str, dict[str, Any]] = {}
        for path, value in self._values.items():
            if path[:1] == _CUSTOM:
                entries.setdefault(path[1], {})[path[2]] = value
        for number, entry in entries.items():
            for needed in ("name", "base_url"):
                if needed not in entry:
                    raise self._source.error((*_CUSTOM, number), f"has no {needed}. Add it.")
            name = entry["name"]
            if name in PRESETS:
                raise self._source.error(
                    (*_CUSTOM, number, "name"),
                    f'is "{name}", which is built in. Use [providers.{name}], or another name.',
                )
            for key in entry:
                path = (*_PROVIDERS, name, "label" if key == "display_name" else key)
                if key != "name":
                    if path in values:
                        raise self._source.error((*_CUSTOM, number, key), f"is set twice for {dotted((name,))}.")
                    values[path] = entry[key]
                    self._written[path] = (*_CUSTOM, number, key)
        return values

    def _with_rules(self, values: dict[KeyPath, Any]) -> dict[KeyPath, Any]:
        """Put the entries of [[commands.rules]] among the globs, once their examples hold."""
        kept = {path: value for path, value in values.items() if path[:2] != _RULES}
        entries: dict[str, dict[str, Any]] = {}
        for path, value in values.items():
            if path[:2] == _RULES:
                entries.setdefault(path[2], {})[path[3]] = value
        for number, entry in entries.items():
            for needed in LISTS[_RULES]:
                if needed not in entry:
                    raise self._source.error((*_RULES, number), f"has no {needed}. Add it.")
            self._check_examples((*_RULES, number), entry)
            path = ("commands", f"{entry['decision']}_glob")
            kept[path] = list(dict.fromkeys([*kept.get(path, ()), entry["glob"]]))
            self._written.setdefault(path, (*_RULES, number))
        return kept

    def _check_examples(self, path: KeyPath, entry: Mapping[str, Any]) -> None:
        if not (entry.get("match") or entry.get("no_match")):
            return
        # Here, since it brings the parser of command lines.
        from vtcode.command_rules import rule_on
        from vtcode.settings import CommandRules

        decision: Policy = entry["decision"]
        rules = msgspec.convert({f"{decision}_glob": (entry["glob"],)}, CommandRules)
        for kind, is_wanted in (("match", True), ("no_match", False)):
            for example in entry.get(kind, ()):
                verdict = rule_on(rules, example).verdict
                is_met = verdict is not None and verdict.policy is decision
                if is_met is not is_wanted:
                    what = "does not decide" if is_wanted else "decides"
                    shown = f"{_shown(entry['glob'])} {what} {_shown(example)}"
                    problem = f"does not hold: {shown}. Correct the glob or the example."
                    raise self._source.error((*path, kind), problem)


def checked_value(source: Source, path: KeyPath, value: object) -> Any:
    """Check one value. Raises ConfigError."""
    key = KEYS[cast("KeyPath", pattern_of(path))]
    if key.type is Policy:
        return _policy(source, path, value)
    try:
        checked: Any = msgspec.convert(value, key.type)
    except (msgspec.ValidationError, OverflowError) as error:
        raise source.error(path, f"is {_shown(value)}; expected {key.expected}.") from error
    if type(checked) is float and not math.isfinite(checked):
        raise source.error(path, f"is {_shown(value)}; expected {key.expected}.")
    if any("\0" in text for text in _texts_in(checked)):
        raise source.error(path, f"has a NUL character; expected {key.expected}.")
    if path[-1] in {"base_url", "url"}:
        return _address(source, path, str(checked), key.expected)
    return checked


def _address(source: Source, path: KeyPath, url: str, expected: str) -> str:
    is_base = path[-1] == "base_url"
    # The address itself is left out: it may hold a password.
    if problem := url_problem(url if is_base else url.partition("?")[0], "the variable that api_key_env names"):
        raise source.error(path, f"{problem}; expected {expected}.")
    return url.rstrip("/") if is_base else url


def _texts_in(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for part in cast("list[object]", value):
                yield from _texts_in(part)
        case _:
            pass


def _policy(source: Source, path: KeyPath, value: object) -> Policy:
    words = [policy.value for policy in Policy]
    if isinstance(value, str) and value in words:
        return Policy(value)
    text = value.lower() if isinstance(value, str) and len(value) < 40 else ""
    close = difflib.get_close_matches(text, words, n=1)
    hint = f' Did you mean "{close[0]}"?' if close else ""
    raise source.error(path, f'is {_shown(value)}; expected "allow", "prompt" or "deny".{hint}')


def _read(path: Path) -> bytes:
    """Read a regular file, at most one byte more than is allowed; a FIFO or device is an error, not a wait."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a file")
    with open(descriptor, "rb") as file:
        return file.read(MOST_BYTES + 1)


def _syntax(label: str, error: str) -> str:
    """Put tomllib's "Expected '=' (at line 3, column 5)" into our order."""
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", error, re.DOTALL)
    problem, where = (found[1], f", line {found[2]}") if found else (error, "")
    return f"{label}{where}: not valid TOML ({visible(problem, one_line=True)}). Correct the line or remove it."


def _shown(value: object) -> str:
    """Write a wrong value for a message; only short ones, and never what a container holds."""
    match value:
        case bool():
            return "true" if value else "false"
        case str() if len(value) <= 40:
            return f'"{visible(value, one_line=True)}"'
        case str():
            return f"a text of {len(value):,} characters"
        case int() | float() if abs(value) < 1e15:
            return str(value)
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a value out of range"


def lines_of(text: str) -> Mapping[KeyPath, int]:
    """Find the lines that set keys and open tables, but for those written in a way we do not follow."""
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if header := re.match(r"\[(\[?)([^\[\]]+)\]", stripped):
            table = _keys(header[2])
            if header[1]:
                counts[table] = counts.get(table, -1) + 1
                found.setdefault(table, number)
                table = (*table, str(counts[table]))
            found.setdefault(table, number)
        elif "=" in stripped:
            found.setdefault((*table, *_keys(stripped.partition("=")[0])), number)
    return found


def _keys(written: str) -> KeyPath:
    return tuple(key.strip().strip("\"'") for key in written.split("."))


_TOKEN: Final = re.compile(r"""\"(?:\\.|[^"\\])*"|'[^']*'|#.*|[^"'#.]+|.""")


def _dots(line: str) -> int:
    """Count the dots that can part names: those outside of texts and comments."""
    return _TOKEN.findall(line).count(".")
