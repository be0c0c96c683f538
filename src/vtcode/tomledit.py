"""Adds a table to a TOML file and takes one out; every other byte stays as the user wrote it."""

import os
import re
import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

Table = dict[str, Any]

_HEADER: Final = re.compile(r"^\s*\[")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


class TomlError(Exception):
    """The file cannot be changed this way: why, and what to do."""


def with_table(text: str, path: tuple[str, ...], values: Mapping[str, Any]) -> str:
    """Return the text with a table at its end. Raises TomlError when one is there already."""
    if _at(tomllib.loads(text), path) is not None:
        raise TomlError(f"there is a table {header(path)} already")
    lines = [header(path), *(f"{_key(name)} = {_value(value)}" for name, value in values.items())]
    before = text if not text or text.endswith("\n") else f"{text}\n"
    changed = f"{before}{chr(10) if before.strip() else ''}{chr(10).join(lines)}\n"
    try:
        made = _at(tomllib.loads(changed), path)
    except tomllib.TOMLDecodeError as error:
        raise TomlError(f"a table {header(path)} does not fit into it; add it by hand") from error
    if made != dict(values):
        raise TomlError(f"a table {header(path)} does not fit into it; add it by hand")
    return changed


def with_value(text: str, path: tuple[str, ...], name: str, value: Any) -> str:
    """Return the text with one key of a table set; the table is added where there is none. Raises TomlError."""
    before = tomllib.loads(text)
    table = _at(before, path)
    if table is None:
        return with_table(text, path, {name: value})
    line = f"{_key(name)} = {_value(value)}"
    lines = text.splitlines(keepends=True)
    start = next((at for at, row in enumerate(lines) if _HEADER.match(row) and _header_path(row) == path), None)
    if start is not None and isinstance(table, dict):
        end = next((at for at in range(start + 1, len(lines)) if _HEADER.match(lines[at])), len(lines))
        there = re.compile(rf"\s*{re.escape(_key(name))}\s*=")
        place = next((at for at in range(start + 1, end) if there.match(lines[at])), None)
        if place is None:
            head = lines[start] if lines[start].endswith("\n") else f"{lines[start]}\n"
            lines[start : start + 1] = [head, f"{line}\n"]
        else:
            # A remark beside the value stays.
            remark = re.search(r"\s+#[^\"\']*$", lines[place])
            lines[place] = line + (remark.group().rstrip("\n") if remark else "") + "\n"
        changed = "".join(lines)
        if _is_same_but_for(before, changed, path, name, value):
            return changed
    raise TomlError(f"{dotted_key((*path, name))} cannot be set in it; set it by hand: {line}")


def without_table(text: str, path: tuple[str, ...]) -> str:
    """Return the text without a table and those beneath it. Raises TomlError when that is not possible."""
    before = tomllib.loads(text)
    if _at(before, path) is None:
        raise TomlError(f"there is no table {header(path)}")
    kept: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        if _HEADER.match(line):
            found = _header_path(line)
            inside = found is not None and found[: len(path)] == path
        if not inside:
            kept.append(line)
    changed = "".join(kept)
    # Lines that only look like headers can stand in a text of several lines.
    if _is_same_but(before, changed, path):
        return changed
    raise TomlError(f"{header(path)} is written in a way that cannot be taken out; remove it by hand")


def replace_text(path: Path, text: str) -> None:
    """Put a text in the place of a file in one step, with the mode that the file has. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Through a link, as people keep their settings elsewhere.
    real = Path(os.path.realpath(path))
    aside = real.with_name(f".{real.name}.{secrets.token_hex(4)}")
    mode = real.stat().st_mode & 0o777 if real.exists() else 0o600
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), mode)
        aside.replace(real)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def header(path: tuple[str, ...]) -> str:
    """Write the header of a table."""
    return f"[{'.'.join(map(_key, path))}]"


def dotted_key(path: tuple[str, ...]) -> str:
    """Write the name of a key, with its tables."""
    return ".".join(map(_key, path))


def toml_value(value: Any) -> str:
    """Write a value; None, which TOML does not have, as nothing."""
    return "" if value is None else _value(value)


def _is_same_but(before: Table, changed: str, path: tuple[str, ...]) -> bool:
    parent: Any = before
    for name in path[:-1]:
        parent = parent[name]
    del parent[path[-1]]
    try:
        after = tomllib.loads(changed)
    except tomllib.TOMLDecodeError:
        return False
    # What held nothing else is gone with it.
    return _without_empty(after) == _without_empty(before)


def _is_same_but_for(before: Table, changed: str, path: tuple[str, ...], name: str, value: Any) -> bool:
    """Whether nothing has changed but one key."""
    try:
        after = tomllib.loads(changed)
    except tomllib.TOMLDecodeError:
        return False
    table = _at(after, path)
    if not isinstance(table, dict) or cast("Table", table).get(name) != value:
        return False
    old = cast("Table", _at(before, path))
    kept = cast("Table", table)
    if name in old:
        kept[name] = old[name]
    else:
        del kept[name]
    return after == before


def _without_empty(table: Table) -> Table:
    kept: Table = {}
    for name, value in table.items():
        kept[name] = _without_empty(cast("Table", value)) if isinstance(value, dict) else value
    return {name: value for name, value in kept.items() if value != {}}


def _at(table: Table, path: tuple[str, ...]) -> Any:
    found: Any = table
    for name in path:
        found = cast("Table", found).get(name) if isinstance(found, dict) else None
    return found


def _header_path(line: str) -> tuple[str, ...] | None:
    """Read a header by the one who knows how; a table of an array is none of ours."""
    try:
        table: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return None
    path: list[str] = []
    while isinstance(table, dict) and table:
        ((name, table),) = cast("Table", table).items()
        path.append(name)
    return tuple(path)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            return '"' + "".join(_escaped(character) for character in value) + '"'
        case list() | tuple():
            return f"[{', '.join(map(_value, cast('list[Any]', value)))}]"
        case dict():
            members = cast("Table", value).items()
            return f"{{ {', '.join(f'{_key(name)} = {_value(part)}' for name, part in members)} }}"
        case _:
            raise TypeError(f"no TOML for {type(value).__name__}")


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    if character.isprintable():
        return character
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
