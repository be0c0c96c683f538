"""What `vtcode init` writes: a commented vtcode.toml, and an AGENTS.md drawn from what the repository shows."""

import json
import os
import re
import stat
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from vtcode.configkeys import ABOUT, ANY, GUIDE_POLICIES, KEYS, LISTS, KeyPath
from vtcode.text import visible
from vtcode.tomledit import dotted_key, toml_value

_LANGUAGES: Final = {
    ".py": "Python", ".rs": "Rust", ".go": "Go", ".js": "JavaScript", ".mjs": "JavaScript", ".jsx": "JavaScript",
    ".ts": "TypeScript", ".tsx": "TypeScript", ".java": "Java", ".kt": "Kotlin", ".c": "C", ".h": "C", ".cc": "C++",
    ".cpp": "C++", ".hpp": "C++", ".cs": "C#", ".rb": "Ruby", ".php": "PHP", ".swift": "Swift", ".sh": "Shell",
    ".lua": "Lua", ".ex": "Elixir", ".exs": "Elixir", ".hs": "Haskell", ".scala": "Scala", ".zig": "Zig",
}  # fmt: skip

_FOLDERS: Final = {
    "src": "the code", "lib": "the code", "app": "the application", "cmd": "the programs",
    "internal": "private packages",
    "pkg": "packages", "tests": "tests", "test": "tests", "spec": "tests", "docs": "documentation",
    "doc": "documentation", "examples": "examples", "scripts": "scripts", "bench": "benchmarks",
    "benches": "benchmarks", "crates": "the crates of the workspace", "packages": "the packages of the workspace",
}  # fmt: skip

_SKIPPED: Final = {"node_modules", "target", "build", "dist", "vendor", "venv", "__pycache__"}
_MOST_FILES: Final = 5000
_MOST_BYTES: Final = 1 << 20


def config_text() -> str:
    """Write vtcode.toml: every key with what it is for; those of the guide's example come with its values.

    As it is, the file changes nothing: with a model that the server may lack, say, no run would work.
    """
    lines = ["# Settings of vtcode for this workspace. `vtcode config show --origin` tells what holds.", ""]
    for table, keys in _tables():
        if about := ABOUT.get(tuple(name for name in table if name != ANY)):
            lines.append(f"# {about}.")
        is_live = any(KEYS[path].live for path in keys) or table == ("tools", "policies")
        mark = "" if is_live else "# "
        lines.append(f"{mark}{_header(table)}")
        if table == ("tools", "policies"):
            lines += [f'{tool} = "{policy}"' for tool, policy in GUIDE_POLICIES.items()]
        for path in keys:
            key = KEYS[path]
            if path[-1] in {ANY, "display_name"}:
                continue
            lines.append(f"# {key.about} ({key.expected}).")
            if key.live:
                lines.append(f"{path[-1]} = {key.live}")
            else:
                value = key.example or ("(unset)" if key.default is None else toml_value(key.default))
                lines.append(f"# {path[-1]} = {value}")
        lines.append("")
    return "\n".join(lines)


def _tables() -> Iterator[tuple[KeyPath, list[KeyPath]]]:
    """Yield each table with its keys; maps of free names, such as a server's variables, are left to their table."""
    found: dict[KeyPath, list[KeyPath]] = {}
    for path in KEYS:
        found.setdefault(path[:-1], []).append(path)
    return ((table, keys) for table, keys in found.items() if table[-1] != "env")


def _header(table: KeyPath) -> str:
    if table[:-1] in LISTS:
        return f"[[{dotted_key(table[:-1])}]]"
    return f"[{dotted_key(tuple('NAME' if name == ANY else name for name in table))}]"


# AGENTS.md ----------------------------------------------------------------------------------------------


def agents_text(root: Path) -> str:
    """Draft AGENTS.md."""
    lines = [
        "# Notes for agents",
        "",
        "A draft from what the repository shows. Correct it; agents read it as it is.",
        "",
    ]
    if languages := _languages(root):
        lines += [f"- Written in {_listed(languages)}."]
    commands = list(_commands(root))
    lines += [f"- {what}: `{command}`." for what, command in commands]
    if not any(what == "Test" for what, _ in commands):
        lines += ["- Test: (say how the tests are run)."]
    folders = [(name, _FOLDERS[name]) for name in sorted(_FOLDERS) if (root / name).is_dir()]
    if folders:
        lines += ["", "## Layout", "", *(f"- `{name}/`: {what}." for name, what in folders)]
    return "\n".join(lines) + "\n"


def _languages(root: Path) -> list[str]:
    """Name the languages of at least a tenth of the source files, the most frequent first."""
    counts: Counter[str] = Counter()
    seen = 0
    for _, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        counts.update(_LANGUAGES[suffix] for name in files if (suffix := Path(name).suffix) in _LANGUAGES)
        seen += len(files)
        if seen > _MOST_FILES:
            break
    least = sum(counts.values()) / 10
    return [name for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if count >= least][
        :4
    ]


def _commands(root: Path) -> Iterator[tuple[str, str]]:
    """Yield what is done with the repository and by which command, the surest source of each first."""
    found: dict[str, str] = {}
    for what, command in _all_commands(root):
        found.setdefault(what, command)
    order = ("Set up", "Build", "Check", "Test")
    return ((what, found[what]) for what in order if what in found)


def _all_commands(root: Path) -> Iterator[tuple[str, str]]:
    for what, name in (
        ("Set up", "setup"),
        ("Build", "build"),
        ("Check", "check"),
        ("Check", "lint"),
        ("Test", "test"),
    ):
        if (root / "scripts" / name).is_file():
            yield what, f"scripts/{name}"
    for rule in re.findall(r"^([a-z]+):(?!=)", _read(root / "Makefile") or _read(root / "makefile"), re.MULTILINE):
        if what := {"build": "Build", "check": "Check", "lint": "Check", "test": "Test"}.get(rule):
            yield what, f"make {rule}"
    if scripts := _table(_json(_read(root / "package.json")).get("scripts")):
        runner = next((name for name, lock in _LOCKS if (root / lock).is_file()), "npm")
        for name, what in (("build", "Build"), ("lint", "Check"), ("test", "Test")):
            if name in scripts:
                yield what, f"{runner} run {name}" if name != "test" else f"{runner} test"
    if (root / "Cargo.toml").is_file():
        yield from (("Build", "cargo build"), ("Check", "cargo clippy"), ("Test", "cargo test"))
    if (root / "go.mod").is_file():
        yield from (("Build", "go build ./..."), ("Check", "go vet ./..."), ("Test", "go test ./..."))
    project = _toml(_read(root / "pyproject.toml"))
    tools = _table(project.get("tool"))
    if "ruff" in tools:
        yield "Check", "ruff check"
    if "pytest" in tools or (root / "pytest.ini").is_file() or (root / "conftest.py").is_file():
        yield "Test", "pytest"
    elif project and (root / "tests").is_dir():
        yield "Test", "python -m unittest discover"


_LOCKS: Final = (("pnpm", "pnpm-lock.yaml"), ("yarn", "yarn.lock"), ("bun", "bun.lock"))


def _read(path: Path) -> str:
    """Read a file of the repository, as far as it can be; what is no file is as if it were not there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            return file.read(_MOST_BYTES).decode(errors="replace") if is_file else ""
    except OSError:
        return ""


def _json(text: str) -> dict[str, Any]:
    try:
        return _table(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}


def _table(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _listed(names: list[str]) -> str:
    return visible(" and ".join(filter(None, (", ".join(names[:-1]), names[-1]))))
