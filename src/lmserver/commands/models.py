"""`lmstudio import` and `ls`: the model files on disk."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lmserver.commands.arguments import FILE_COMPLETION, SUCCESS, add_json, command
from lmserver.text import count, one_line, size, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmserver.adapters import Adapter
    from lmserver.catalog import Entry
    from lmserver.commands.arguments import Commands

_IMPORT = """  lmstudio import ~/Downloads/qwen2.5-7b-instruct-q4_k_m.gguf
  lmstudio import model.gguf --symbolic-link --user-repo me/my-model"""
_LS = """  lmstudio ls
  lmstudio ls --json | jq -r '.[].id'"""


def add(commands: "Commands") -> None:
    """Add `import` and `ls` to the commands."""
    adding = command(
        commands,
        "import",
        summary="add a GGUF file",
        description="Add a GGUF file to the models.",
        examples=_IMPORT,
    )
    file = adding.add_argument("file", type=Path, metavar="FILE.gguf")
    file.complete = FILE_COMPLETION  # pyright: ignore[reportAttributeAccessIssue]
    adding.add_argument("--user-repo", metavar="PUBLISHER/REPO", help="where to put it in the models folder")
    how = adding.add_mutually_exclusive_group()
    for option, short, value, explanation in (
        ("--copy", "-c", "copy", "copy it (the default)"),
        ("--move", "-m", "move", "move it"),
        ("--hard-link", "-L", "hardlink", "hard-link it"),
        ("--symbolic-link", "-l", "symlink", "link to it where it is"),
    ):
        how.add_argument(option, short, dest="how", action="store_const", const=value, help=explanation)
    adding.add_argument("--yes", "-y", action="store_true", help="accepted for scripts; nothing is asked")
    adding.set_defaults(command=_import, how="copy")

    listing = command(commands, "ls", summary="list the models", description="List the models on disk.", examples=_LS)
    add_json(listing)
    listing.set_defaults(command=_ls)


def _import(options: argparse.Namespace) -> int:
    from lmserver.catalog import models_dir
    from lmserver.importing import import_file
    from lmserver.progress import Bar

    with Bar() as bar:
        path = import_file(options.file, models_dir(os.environ), options.user_repo, options.how, bar.show)
    print(f"imported: {path}", file=sys.stderr)
    return SUCCESS


def _ls(options: argparse.Namespace) -> int:
    from lmserver.catalog import BrokenFile, Catalog, models_dir

    root = models_dir(os.environ)
    entries = Catalog(root).scan()
    adapters = _adapters(entries)
    if options.json:
        print(json.dumps([_row(entry, adapters) for entry in entries], indent=2))
        return SUCCESS
    if not entries:
        print(f"No models in {root} yet. Get the default one with `lmstudio get`.", file=sys.stderr)
    rows = [("MODEL", "PARAMS", "QUANT", "SIZE", "CONTEXT", "ADAPTER")]
    for entry in entries:
        if not isinstance(entry, BrokenFile):
            header = entry.header
            rows.append(
                (
                    entry.id,
                    count(header.parameters),
                    header.quantization,
                    size(header.size_bytes),
                    str(header.context_length or "?"),
                    "" if (adapter := adapters.get(entry.id)) is None else one_line(adapter.name),
                )
            )
    if not any(adapters.values()):
        rows = [row[:-1] for row in rows]
    if len(rows) > 1:
        print(table(rows))
    for entry in entries:
        if isinstance(entry, BrokenFile):
            print(f"unusable: {entry.name}: {entry.reason}", file=sys.stderr)
    for name, adapter in adapters.items():
        if adapter.fault:
            print(f"{name}: the adapter {one_line(str(adapter.path))} is refused: {adapter.fault}", file=sys.stderr)
    return SUCCESS


def _adapters(entries: "Sequence[Entry]") -> "dict[str, Adapter]":
    """Find the adapters that a server would use, by model."""
    from lmserver.adapters import adapter_of
    from lmserver.catalog import Model
    from lmserver.places import settings_file
    from lmserver.settings import read

    path = settings_file(os.environ)
    stored = read(path)
    found: dict[str, Adapter] = {}
    for entry in entries:
        if isinstance(entry, Model):
            own = stored.of({entry.id.lower(), *entry.aliases}).over(stored.defaults)
            if (adapter := adapter_of(entry, own.adapter, path.parent)) is not None:
                found[entry.id] = adapter
    return found


def _row(entry: "Entry", adapters: "Mapping[str, Adapter]") -> dict[str, object]:
    from lmserver.catalog import BrokenFile

    if isinstance(entry, BrokenFile):
        return {"path": entry.name, "error": entry.reason}
    header = entry.header
    adapter = adapters.get(entry.id)
    return {
        "id": entry.id,
        "path": str(entry.path),
        "type": entry.kind,
        "publisher": entry.publisher,
        "arch": header.architecture,
        "quantization": header.quantization,
        "parameters": header.parameters,
        "size_bytes": header.size_bytes,
        "max_context_length": header.context_length,
        "adapter": None if adapter is None or adapter.fault else str(adapter.path),
    }
