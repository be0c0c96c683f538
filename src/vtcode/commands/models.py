"""`vtcode models list`, `info` and `test`."""

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Final

import msgspec

from vtcode.commands.arguments import Invocation, add_json, describe
from vtcode.config import ConfigError
from vtcode.console import Console
from vtcode.models import choose_model, named, not_found
from vtcode.providers import ProviderError
from vtcode.providers.catalogue import Entry, merged
from vtcode.startup import connect_to, endpoint_of, reach
from vtcode.text import visible

_EXAMPLES = """  vtcode models list
  vtcode models list --json
  vtcode models info lmstudio-community/qwen2.5-7b-instruct
  vtcode models test
  vtcode --provider ollama models list"""

_NOTES = """The list has what the server lists first, then what only the default catalogue knows. Any id that the
server lists can be given to --model.

exit status: 0 done   1 the server cannot be reached or has no such model   2 wrong usage"""


def add(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of `models`."""
    describe(parser, "Show which models there are, and try them.", _EXAMPLES, _NOTES)
    parser.add_argument(
        "action", choices=tuple(_ACTIONS), help="; ".join(f"{word}: {what}" for word, (_, what) in _ACTIONS.items())
    )
    parser.add_argument("id", nargs="?", help="the model, for info and test")
    add_json(parser)
    parser.set_defaults(command=_run)


def _run(invocation: Invocation) -> Coroutine[None, None, int]:
    options = invocation.options
    if (options.action == "info") > (options.id is not None):
        raise ConfigError("models info needs the id of a model. `vtcode models list` shows them.")
    if options.action == "list" and options.id is not None:
        raise ConfigError("models list takes no id. Use `vtcode models info ID` for one model.")
    command, _ = _ACTIONS[options.action]
    return command(invocation)


async def _list(invocation: Invocation) -> int:
    entries, problem = await _entries(invocation)
    if invocation.options.json:
        print(json.dumps([_described(entry) for entry in entries], indent=2))
    else:
        _print_table(entries)
    return _fail(problem)


async def _info(invocation: Invocation) -> int:
    entries, problem = await _entries(invocation)
    wanted: str = invocation.options.id
    found = named(wanted, [entry.info for entry in entries])
    entry = next((entry for entry in entries if entry.info is found), None)
    if entry is None:
        endpoint = endpoint_of(invocation.settings())
        where = f"{endpoint.preset.label} at {endpoint.base_url}"
        return _fail(
            problem or not_found(where, wanted, [entry.info.id for entry in entries if entry.source != "catalogue"])
        )
    described = _described(entry)
    if invocation.options.json:
        print(json.dumps(described, indent=2))
    else:
        width = max(map(len, described))
        for key, value in described.items():
            print(f"{key:<{width}}  {_word(value)}")
    # What only the catalogue knows is no answer about the server, and is said to be none.
    return _fail(problem)


async def _test(invocation: Invocation) -> int:
    from vtcode.trial import try_model

    options, settings = invocation.options, invocation.settings()
    console = Console(quiet=options.json)
    wanted: str | None = options.id or settings.default_model
    settings = msgspec.structs.replace(settings, default_model=wanted)
    try:
        async with contextlib.AsyncExitStack() as stack:
            provider, known = await reach(settings, stack, console.say, embedded=options.embedded)
            model, _ = choose_model(wanted, known, provider.endpoint)
            console.say(f"{model} at {provider.address}")
            trial = await try_model(provider, model, settings)
    except ProviderError as error:
        return _fail(str(error))
    if options.json:
        print(json.dumps(msgspec.to_builtins(trial), indent=2))
    else:
        for line in trial.lines():
            print(visible(line))
    return 0


async def _entries(invocation: Invocation) -> tuple[list[Entry], str]:
    """List the models, and say why the server's own are missing if they are."""
    settings = invocation.settings()
    async with contextlib.AsyncExitStack() as stack:
        try:
            _, listed = await connect_to(settings, stack, embedded=invocation.options.embedded)
        except ProviderError as error:
            return merged(settings.provider, []), str(error)
    return merged(settings.provider, listed), ""


def _fail(problem: str) -> int:
    if problem:
        Console().fail(problem)
    return 1 if problem else 0


def _described(entry: Entry) -> dict[str, object]:
    info = entry.info
    return {
        "id": info.id,
        "name": entry.name or None,
        "source": entry.source,
        "kind": "chat" if info.is_chat else "embeddings",
        "loaded": info.is_loaded,
        "context_length": info.context_length,
        "quantization": info.quantization,
        "trained_for_tools": info.trained_for_tools,
        "parameters": info.parameters,
        "size_bytes": info.size_bytes,
    }


_COLUMNS = ("ID", "FROM", "LOADED", "CONTEXT", "QUANT", "TOOLS", "SIZE")


def _print_table(entries: list[Entry]) -> None:
    rows = [_COLUMNS, *(_row(entry) for entry in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if len(rows) == 1:
        print("no models", file=sys.stderr)


def _row(entry: Entry) -> tuple[str, ...]:
    info = entry.info
    size = f"{info.size_bytes / 1e9:.1f} GB" if info.size_bytes else "-"
    cells = (info.is_loaded, info.context_length, info.quantization, info.trained_for_tools)
    return (visible(info.id, one_line=True), entry.source, *map(_word, cells), size)


def _word(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case _:
            return visible(str(value), one_line=True)


_ACTIONS: Final[dict[str, tuple[Callable[[Invocation], Coroutine[None, None, int]], str]]] = {
    "list": (_list, "the models of the server and of the default catalogue"),
    "info": (_info, "what is known of one model"),
    "test": (_test, "ask a model for a short reply, a tool call and structured output"),
}
