"""`lmstudio ps`, `load` and `unload`: the models that the running server holds in memory."""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import msgspec

from lmserver.commands.arguments import FAILURE, SUCCESS, add_address, add_json, command, positive
from lmserver.errors import ModelError
from lmserver.places import state_dir
from lmserver.text import duration, one_line, size, table

if TYPE_CHECKING:
    from lmserver.client import Client
    from lmserver.commands.arguments import Commands

_PS = """  lmstudio ps
  lmstudio ps --json | jq -r '.[].id'"""
_LOAD = """  lmstudio load qwen2.5-3b-instruct
  lmstudio load qwen2.5-3b-instruct --context-length 16384 --ttl 3600"""
_UNLOAD = """  lmstudio unload                         the only one that is loaded
  lmstudio unload qwen2.5-3b-instruct
  lmstudio unload --all"""


def add(commands: "Commands") -> None:
    """Add `ps`, `load` and `unload` to the commands."""
    listing = command(
        commands, "ps", summary="list the loaded models", description="List the loaded models.", examples=_PS
    )
    add_address(listing)
    add_json(listing)
    listing.set_defaults(command=_ps)

    loading = command(
        commands,
        "load",
        summary="load a model",
        description="Have the running server load a model, so that its first request does not wait for that.",
        examples=_LOAD,
    )
    loading.add_argument("model", metavar="MODEL")
    loading.add_argument("--context-length", "-c", type=positive, metavar="TOKENS")
    loading.add_argument("--parallel", type=positive, metavar="N", help="requests that it answers at once")
    loading.add_argument("--ttl", type=positive, metavar="SECONDS", help="unload it after so long without a request")
    loading.add_argument(
        "--gpu", type=_share, metavar="off|max|0-1", help="how much of the model a GPU holds (default: max)"
    )
    add_address(loading)
    add_json(loading)
    loading.set_defaults(command=_load)

    unloading = command(
        commands,
        "unload",
        summary="unload a model",
        description="Have the running server let go of a model and its memory.",
        examples=_UNLOAD,
    )
    which = unloading.add_mutually_exclusive_group()
    which.add_argument(
        "model", nargs="?", metavar="MODEL", help="as `lmstudio ps` lists it; none where one is loaded"
    )
    which.add_argument("--all", "-a", action="store_true", help="all of them")
    unloading.add_argument("--force", action="store_true", help="also one that is answering a request")
    add_address(unloading)
    add_json(unloading)
    unloading.set_defaults(command=_unload)


def _share(text: str) -> str | float:
    if text in {"off", "max"}:
        return text
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if 0 <= value <= 1:
        return value
    raise argparse.ArgumentTypeError(f"expected off, max or a number from 0 to 1, not {text!r}")


@contextlib.contextmanager
def connected(options: argparse.Namespace) -> Generator["Client"]:
    """Connect to the server that the options of `add_address` mean."""
    from lmserver.client import Client, locate

    address = locate(os.environ, state_dir(os.environ), host=options.host, port=options.port)
    with Client(address, os.environ.get("LMSTUDIO_API_KEY", "").strip() or None) as client:
        yield client


class _Model(msgspec.Struct, frozen=True):
    key: str = ""
    loaded_instances: list[dict[str, Any]] = []


class _Listing(msgspec.Struct, frozen=True):
    """What we need of the answer to `GET /api/v1/models`."""

    models: list[_Model]


# ps -----------------------------------------------------------------------------------------------------


def _ps(options: argparse.Namespace) -> int:
    with connected(options) as client:
        found = _instances(client)
    if options.json:
        print(json.dumps(found, indent=2))
    elif not found:
        print("No model is loaded. One loads on its first request, or by `lmstudio load MODEL`.", file=sys.stderr)
    else:
        heading = ("IDENTIFIER", "MODEL", "STATUS", "SIZE", "CONTEXT", "PARALLEL", "QUEUED", "TTL")
        print(table([heading, *map(_cells, found)]))
    return SUCCESS


def _instances(client: "Client") -> list[dict[str, Any]]:
    """List what is loaded: the members of `loaded_instances` with the model's key as `model`."""
    return [
        {"id": instance.get("id", ""), "model": model.key} | instance
        for model in client.get("/api/v1/models", _Listing).models
        for instance in model.loaded_instances
    ]


def _cells(instance: dict[str, Any]) -> tuple[str, ...]:
    config: dict[str, Any] = instance.get("config") or {}
    bytes_, left = instance.get("size_bytes"), instance.get("ttl_seconds")
    if left is not None and instance.get("idle_seconds") is not None:
        left = max(0, left - instance["idle_seconds"])
    return (
        str(instance["id"]),
        str(instance["model"]),
        str(instance.get("status", "?")),
        size(bytes_) if isinstance(bytes_, int) else "?",
        str(config.get("context_length", "?")),
        str(config.get("parallel", "?")),
        str(instance.get("queued", 0)),
        duration(left) if isinstance(left, int | float) else "none",
    )


# load and unload ----------------------------------------------------------------------------------------


def _load(options: argparse.Namespace) -> int:
    body: dict[str, Any] = {"model": options.model, "echo_load_config": True}
    for name in ("context_length", "parallel", "ttl", "gpu"):
        if (value := getattr(options, name)) is not None:
            body[name] = value
    with connected(options) as client, _spinner(f"loading {options.model}"):
        answer = client.post("/api/v1/models/load", body, dict[str, Any], patience=None)
    if options.json:
        print(json.dumps(answer, indent=2))
        return SUCCESS
    seconds = answer.get("load_time_seconds")
    took = f" in {seconds:.1f} s" if isinstance(seconds, int | float) else ""
    config: dict[str, Any] = answer.get("load_config") or {}
    context = config.get("context_length")
    size = f", context {context} tokens" if isinstance(context, int) else ""
    print(f"Loaded {one_line(str(answer.get('instance_id', options.model)))}{took}{size}.", file=sys.stderr)
    if isinstance(context, int) and options.context_length is not None and context < options.context_length:
        print(f"It takes no more; {options.context_length} were asked for.", file=sys.stderr)
    return SUCCESS


def _unload(options: argparse.Namespace) -> int:
    with connected(options) as client:
        names = [options.model] if options.model else _loaded_names(client, every=options.all)
        status, ended = SUCCESS, list[str]()
        for name in names:
            body = {"instance_id": name} | ({"force": True} if options.force else {})
            try:
                client.post("/api/v1/models/unload", body, dict[str, Any], patience=None)
            except ModelError as error:
                # With --all, one that is busy does not keep the others.
                if not options.all:
                    raise
                print(f"lmstudio: {error}", file=sys.stderr)
                status = FAILURE
            else:
                ended.append(name)
    if options.json:
        print(json.dumps({"unloaded": ended}, indent=2))
    else:
        said = f"Unloaded {', '.join(map(one_line, ended))}." if ended else "No model was unloaded."
        print(said, file=sys.stderr)
    return status


def _loaded_names(client: "Client", *, every: bool) -> list[str]:
    names = [str(instance["id"]) for instance in _instances(client)]
    if every or len(names) == 1:
        return names
    if not names:
        raise ModelError("No model is loaded.")
    raise ModelError(f"Several models are loaded: {', '.join(map(one_line, names))}. Name one, or use --all.")


@contextlib.contextmanager
def _spinner(what: str) -> Generator[None]:
    """Show on a terminal that something goes on."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(one_line(what))):
        yield
