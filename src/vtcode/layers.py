"""The layers of configuration: which files there are, what the environment and the command line set."""

import os
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from vtcode.configfile import Checked, ConfigError, Source, Table, check, checked_value, read_table
from vtcode.configkeys import KEYS, KeyPath
from vtcode.providers.presets import PRESETS
from vtcode.text import visible
from vtcode.urls import url_problem

SYSTEM_FILE: Final = Path("/etc/vtcode/vtcode.toml")
WORKSPACE_FILES: Final = ("vtcode.toml", ".vtcode/vtcode.toml")

_AGENT: Final = tuple(path[1] for path in KEYS if path[0] == "agent")
_FLAGS: Final = {name: f"--{name.replace('_', '-')}" for name in _AGENT} | {"default_model": "--model"}
_COMMANDS: Final = tuple(path[1] for path in KEYS if path[0] == "commands" and len(path) == 2)


class Layer(msgspec.Struct, frozen=True):
    """One source of settings, checked."""

    source: Source
    checked: Checked
    is_workspace: bool = False
    path: Path | None = None


class Place(msgspec.Struct, frozen=True):
    """Where a file is looked for."""

    path: Path
    kind: str
    """`system`, `user`, `workspace`, or what names it: `--config`."""
    label: str


def places(root: Path, environ: Mapping[str, str], flags: Mapping[str, str]) -> Iterator[Place]:
    """Yield where files are looked for, from low to high."""
    yield Place(SYSTEM_FILE, "system", str(SYSTEM_FILE))
    # The first of these folders matters most. A relative one is to be ignored, and could lie in the workspace.
    for folder in reversed(environ.get("XDG_CONFIG_DIRS", "").split(":")):
        if Path(folder).is_absolute():
            path = Path(folder) / "vtcode" / "vtcode.toml"
            yield Place(path, "system", str(path))
    for path in user_files(environ):
        yield Place(path, "user", str(path))
    for name in WORKSPACE_FILES:
        yield Place(root / name, "workspace", name)
    if named := flags.get("config"):
        yield Place(Path(named).expanduser(), "--config", named)
    elif named := environ.get("VTCODE_CONFIG_PATH", "").strip():
        yield Place(Path(named).expanduser(), "VTCODE_CONFIG_PATH", named)


def file_layers(root: Path, environ: Mapping[str, str], flags: Mapping[str, str]) -> Iterator[Layer]:
    """Read the files, from low to high; of the user's and of the workspace's the first that is there.

    Raises:
        ConfigError: for a file that cannot be used.
    """
    all_places = tuple(places(root, environ, flags))
    chosen = next((place for place in all_places if place.kind not in _KINDS), None)
    mine = [place.path for place in all_places if place.kind in {"system", "user"}]
    found: set[str] = set()
    for place in all_places:
        is_workspace = place.kind == "workspace"
        if place.kind in found:
            continue
        # Named by the user, or the user's own, it is the user's choice and not the repository's.
        others = [*mine, *([chosen.path] if chosen else [])]
        if is_workspace and any(_is_same(place.path, other) for other in others):
            found.add(place.kind)
            continue
        try:
            if is_workspace:
                _refuse_link_outwards(root, place)
            source, table = read_table(place.path, place.label)
        except (FileNotFoundError, NotADirectoryError) as error:
            if place is chosen:
                raise ConfigError(f"{place.kind} names {place.label}, which does not exist.") from error
            continue
        if place.kind != "system":
            found.add(place.kind)
        yield Layer(source, check(source, table), is_workspace, place.path)


_KINDS: Final = {"system", "user", "workspace"}


def user_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield where the user's own file may be; the first one counts."""
    home = Path(environ.get("HOME") or Path.home())
    configured = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    # A relative path there is to be ignored (XDG Base Directory), and could lie in the workspace.
    folder = configured if configured.is_absolute() else home / ".config"
    yield folder / "vtcode" / "vtcode.toml"
    if sys.platform == "darwin":
        yield home / "Library" / "Application Support" / "vtcode" / "vtcode.toml"


def environment_layers(environ: Mapping[str, str], provider: str) -> Iterator[Layer]:
    """Read what the environment sets. Raises ConfigError for an address of the chosen provider that is none."""
    for name, preset in PRESETS.items():
        url = environ.get(preset.base_url_env, "").strip()
        if not url:
            continue
        if problem := url_problem(url, preset.api_key_env):
            if name != provider:
                continue
            # The address itself is left out: it may hold a password.
            expected = f"expected an address such as {preset.base_url}"
            raise ConfigError(f"{preset.base_url_env} {problem}; {expected}. Correct or unset it.")
        yield _single(Source(preset.base_url_env), ("providers", name, "base_url"), url.rstrip("/"))
    for name in _COMMANDS:
        variable = f"VTCODE_COMMANDS_{name.upper()}"
        rules = [rule.strip() for rule in environ.get(variable, "").split(",") if rule.strip()]
        if rules:
            source, path = Source(variable), ("commands", name)
            yield _single(source, path, checked_value(source, path, rules))


def command_line_layers(flags: Mapping[str, str], assignments: Sequence[str]) -> Iterator[Layer]:
    """Read `-c key=value` and the flags. Raises ConfigError."""
    for text in assignments:
        source = Source("-c")
        checked = check(source, _assigned(text))
        if checked.warnings:
            raise ConfigError(f"{checked.warnings[0].removesuffix('.')}. `vtcode config show` lists the keys.")
        yield Layer(source, checked)
    for name in _AGENT:
        if name in flags:
            source, path = Source(_FLAGS[name]), ("agent", name)
            yield _single(source, path, checked_value(source, path, flags[name]))


def _single(source: Source, path: KeyPath, value: Any) -> Layer:
    return Layer(source, Checked({path: value}))


def _assigned(text: str) -> Table:
    """Read `key=value`: the value as TOML, else as a text."""
    key, mark, value = text.partition("=")
    shown = visible(key.strip(), one_line=True)[:60]
    wrong = ConfigError(f"-c {shown}: expected KEY=VALUE, such as agent.max_turns=20.")
    if not mark or "\n" in key or len(text) > 100_000:
        raise wrong
    names: list[str] = []
    try:
        table: Any = tomllib.loads(f"{key} = 0")
        while isinstance(table, dict):
            ((name, table),) = table.items()  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
            names.append(name)  # pyright: ignore[reportUnknownArgumentType]
    except (ValueError, RecursionError) as error:
        raise wrong from error
    if table != 0:
        raise wrong
    result: Any = _value(value.strip())
    for name in reversed(names):
        result = {name: result}
    return result


def _value(text: str) -> object:
    try:
        table = tomllib.loads(f"v = {text}")
    except (ValueError, RecursionError):
        return text
    return table["v"] if len(table) == 1 else text


def _refuse_link_outwards(root: Path, place: Place) -> None:
    # Unlike Path.resolve, this takes a link to itself, which is then told as what cannot be read.
    real = Path(os.path.realpath(place.path))
    if real.is_file() and not real.is_relative_to(root.resolve()):
        raise ConfigError(
            f"{place.label} is a link that leads out of the workspace. Put the file there itself, or name it with "
            "--config."
        )


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False
