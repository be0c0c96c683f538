"""Reads one `vtcode.toml`: from bytes to checked values, or to an error that says where and what to do."""

import difflib
import errno
import math
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, cast

import msgspec
from msgspec import Meta

from vtcode.approval import BUILT_IN, Policy
from vtcode.providers import PROVIDERS
from vtcode.text import visible

MOST_BYTES: Final = 1 << 20

Table = dict[str, Any]


class ConfigError(Exception):
    """A configuration that cannot be used: where, what was expected and what to do."""


class Key(msgspec.Struct, frozen=True):
    """A setting: what it must be, as a type and in words."""

    type: Any
    expected: str


def _whole(least: int, most: int) -> Key:
    return Key(Annotated[int, Meta(ge=least, le=most)], f"a whole number from {least:,} to {most:,}")


AGENT_KEYS: Final[Mapping[str, Key]] = {
    "provider": Key(Annotated[str, Meta(min_length=1)], "the name of a provider"),
    "default_model": Key(Annotated[str, Meta(min_length=1)], "the id of a model"),
    "temperature": Key(Annotated[float, Meta(ge=0, le=2)], "a number from 0 to 2"),
    "max_tokens": _whole(1, 10_000_000),
    "max_turns": _whole(1, 100_000),
    "profile": Key(Annotated[str, Meta(pattern="^(auto|full|guided)$")], '"auto", "full" or "guided"'),
    "stall_timeout_secs": Key(Annotated[float, Meta(gt=0, le=86_400)], "a number of seconds up to 86,400"),
}

TABLES: Final = ("agent", "tools")
TOOLS_KEYS: Final = ("default_policy", "policies")

# Tools of the original program that we do not have. Their names come close to ours without being mistakes.
_FOREIGN_TOOLS: Final = frozenset({"create_file", "delete_file", "find_file", "move_file", "copy_file"})


class Checked(msgspec.Struct, frozen=True):
    """What one layer sets, each value as it must be."""

    agent: Mapping[str, Any]
    default_policy: Policy | None
    policies: Mapping[str, Policy]
    warnings: tuple[str, ...]


class Source(msgspec.Struct, frozen=True):
    """Where a layer comes from: what errors and rules call it, and its text, in which keys have lines."""

    label: str
    text: str = ""

    def error(self, path: tuple[str, ...], problem: str) -> ConfigError:
        """Return an error about the key at `path`."""
        line = _line_of(self.text, path)
        where = f"{self.label}, line {line}" if line else self.label
        return ConfigError(f"{where}: {visible('.'.join(path), one_line=True)} {problem}")


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
    """Check the tables that we know. Raises ConfigError for a value that is wrong or a name that is mistyped."""
    warnings: list[str] = []
    _check_names(source, (), table, TABLES, warnings)
    agent = _table(source, table, ("agent",))
    tools = _table(source, table, ("tools",))
    policies = _table(source, tools, ("tools", "policies"))
    _check_names(source, ("agent",), agent, AGENT_KEYS, warnings)
    _check_names(source, ("tools",), tools, TOOLS_KEYS, warnings)
    _check_names(source, ("tools", "policies"), policies, BUILT_IN, warnings, known_elsewhere=_FOREIGN_TOOLS)
    default = tools.get("default_policy")
    return Checked(
        agent={name: agent_value(source, name, agent[name]) for name in AGENT_KEYS if name in agent},
        default_policy=None if default is None else _policy(source, ("tools", "default_policy"), default),
        policies={name: _policy(source, ("tools", "policies", name), value) for name, value in policies.items()},
        warnings=tuple(warnings),
    )


def agent_value(source: Source, name: str, value: object) -> object:
    """Check a value of the table [agent]. Raises ConfigError."""
    key = AGENT_KEYS[name]
    try:
        checked: object = msgspec.convert(value, key.type)
    except msgspec.ValidationError as error:
        raise source.error(("agent", name), f"is {_shown(value)}; expected {key.expected}.") from error
    if isinstance(checked, float) and not math.isfinite(checked):
        raise source.error(("agent", name), f"is {_shown(value)}; expected {key.expected}.")
    if name == "provider" and checked not in PROVIDERS:
        known = ", ".join(f'"{provider}"' for provider in PROVIDERS)
        raise source.error(("agent", name), f"is {_shown(value)}; the providers are {known}.")
    return checked


def _policy(source: Source, path: tuple[str, ...], value: object) -> Policy:
    words = [policy.value for policy in Policy]
    if isinstance(value, str) and value in words:
        return Policy(value)
    close = difflib.get_close_matches(value.lower(), words, n=1) if isinstance(value, str) else []
    hint = f' Did you mean "{close[0]}"?' if close else ""
    raise source.error(path, f'is {_shown(value)}; expected "allow", "prompt" or "deny".{hint}')


def _table(source: Source, parent: Table, path: tuple[str, ...]) -> Table:
    value = parent.get(path[-1], {})
    if not isinstance(value, dict):
        raise source.error(path, f"is {_shown(value)}; expected a table, written [{'.'.join(path)}].")
    return cast("Table", value)


def _check_names(
    source: Source,
    path: tuple[str, ...],
    table: Table,
    known: Iterable[str],
    warnings: list[str],
    *,
    known_elsewhere: frozenset[str] = frozenset(),
) -> None:
    """Refuse names that look like mistakes, and warn of those that only mean nothing here.

    A mistyped name must not pass with a warning: it may be the one that forbids something.
    """
    names = {name.casefold(): name for name in known}
    # In [tools] nearly everything is about what is allowed: "policy" is taken for "policies".
    cutoff = 0.65 if path == ("tools",) else 0.8
    for name in table:
        if name in names.values():
            continue
        # A policy in the wrong table would forbid nothing.
        if path != ("tools", "policies") and (name in BUILT_IN or table[name] in tuple(Policy)):
            place = "[tools]" if name == "default_policy" else "[tools.policies]"
            raise source.error((*path, name), f"is a policy in the wrong place. Put it under {place}.")
        if not path and name in {"policies", "default_policy"}:
            raise source.error((name,), f"is not known at the top. Put it under [tools], as [tools.{name}].")
        close = difflib.get_close_matches(name.casefold().replace("-", "_"), names, n=1, cutoff=cutoff)
        if close and name not in known_elsewhere:
            raise source.error((*path, name), f"is not known. Did you mean {names[close[0]]}?")
        where = visible(".".join((*path, name)), one_line=True)[:200]
        warnings.append(f"{source.label}: {where} is not known here and has no effect.")


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


def _line_of(text: str, path: tuple[str, ...]) -> int | None:
    """Find the line that sets a key or opens a table; None where it is written in a way we do not follow."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if header := re.match(r"\[\[?([^\[\]]+)\]", stripped):
            table = _keys(header[1])
            found = table
        elif "=" in stripped:
            found = (*table, *_keys(stripped.partition("=")[0]))
        else:
            continue
        if found == path:
            return number
    return None


def _keys(dotted: str) -> tuple[str, ...]:
    return tuple(key.strip().strip("\"'") for key in dotted.split("."))
