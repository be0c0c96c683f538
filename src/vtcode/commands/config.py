"""`vtcode config`: what holds and where it is set, the files, the JSON Schema of vtcode.toml."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from vtcode.approval import BUILT_IN
from vtcode.commands.arguments import Invocation, add_json, describe
from vtcode.config import Configuration, configure, settings_of
from vtcode.configkeys import KEYS, KeyPath, plain_keys
from vtcode.console import Console
from vtcode.layers import file_layers, places
from vtcode.settings import Settings
from vtcode.text import visible
from vtcode.tomledit import dotted_key, toml_value

_EXAMPLES = """  vtcode config show --origin
  vtcode -c agent.max_turns=20 config show --json
  vtcode config path
  vtcode config schema > vtcode.schema.json"""

_NOTES = """The layers, from low to high: the built-in values, /etc/vtcode/vtcode.toml and $XDG_CONFIG_DIRS, your own
file, the workspace's, --config, the environment, -c, the other flags."""

_HIDDEN = "(hidden)"


def add(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of `config`."""
    describe(parser, "Show the configuration.", _EXAMPLES, _NOTES)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    showing = actions.add_parser("show", help="show every value that holds")
    showing.add_argument("--origin", action="store_true", help="say where each value is set")
    add_json(showing)
    showing.set_defaults(command=_show)
    finding = actions.add_parser("path", help="list the files that are looked for, from low to high")
    add_json(finding)
    finding.set_defaults(command=_path)
    describing = actions.add_parser("schema", help="print the JSON Schema of vtcode.toml, for editors")
    describing.set_defaults(command=_schema)


def _show(invocation: Invocation) -> int:
    configuration = configure(invocation.root, invocation.environ, invocation.flags, invocation.assignments)
    settings = settings_of(configuration, invocation.environ)
    rows = list(_rows(configuration, settings))
    console = Console()
    for warning in settings.warnings:
        console.insist(f"Warning: {warning}")
    if invocation.options.json:
        print(
            json.dumps({".".join(path): {"value": value, "origin": origin} for path, value, origin in rows}, indent=2)
        )
        return 0
    lines = [(f"{dotted_key(path)} = {toml_value(value)}", origin, value) for path, value, origin in rows]
    width = min(60, max(len(line) for line, _, _ in lines))
    for line, origin, value in lines:
        # What has no value is no TOML; as a comment, the whole still is.
        text = f"# {line.partition(' = ')[0]} is not set" if value is None else line
        text = f"{text:<{width}}  # {_origin(origin)}" if invocation.options.origin else text
        print(visible(text, one_line=True))
    return 0


def _rows(configuration: Configuration, settings: Settings) -> Iterator[tuple[KeyPath, Any, dict[str, Any]]]:
    """Yield every key with its value and where that is from; of what is secret, that it is set."""
    merged = configuration.values
    plain = dict(plain_keys())
    shown = list(plain)
    policies = [("tools", "policies", tool) for tool in BUILT_IN]
    rest = [path for path in merged if path not in plain and path not in policies]
    for path in (*shown, *policies, *sorted(rest)):
        found = merged.get(path)
        if found is not None:
            is_secret = path[:2] == ("mcp", "servers") and path[3:4] == ("env",)
            value = _HIDDEN if is_secret else found.value
            origin: dict[str, Any] = {"from": found.label}
            if found.line is not None:
                origin["line"] = found.line
            yield path, value, origin
        elif path in plain:
            yield path, KEYS[path].default, {"from": "default"}
        elif settings.policies.default is not None:
            where = merged[("tools", "default_policy")]
            yield path, settings.policies.default, {"from": f"tools.default_policy of {where.label}"}
        else:
            yield path, BUILT_IN[path[-1]], {"from": "default"}
    if ("providers", settings.provider, "base_url") not in merged:
        yield ("providers", settings.provider, "base_url"), settings.base_url, {"from": "default"}


def _origin(origin: dict[str, Any]) -> str:
    return f"{origin['from']}, line {origin['line']}" if "line" in origin else origin["from"]


def _path(invocation: Invocation) -> int:
    configuration = configure(invocation.root, invocation.environ, invocation.flags, invocation.assignments)
    layers = {layer.path: layer for layer in file_layers(invocation.root, invocation.environ, invocation.flags)}
    rows: list[dict[str, str]] = []
    for place in places(invocation.root, invocation.environ, invocation.flags):
        layer = layers.get(place.path)
        state = "not there" if not place.path.exists() else "not used" if layer is None else "used"
        if layer is not None and layer.is_workspace and configuration.needs_trust:
            state = "used, trusted" if configuration.is_trusted else "used, not trusted"
        rows.append({"path": str(place.path), "kind": place.kind, "state": state})
    if invocation.options.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        print(visible(f"{row['state']:<17}  {row['kind']:<9}  {row['path']}", one_line=True))
    return 0


def _schema(invocation: Invocation) -> int:
    from vtcode.configschema import config_schema

    print(json.dumps(config_schema(), indent=2))
    return 0
