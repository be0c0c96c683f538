"""The JSON Schema of vtcode.toml, made from the table of keys."""

from typing import Any

import msgspec

from vtcode.approval import BUILT_IN, Policy
from vtcode.configkeys import ABOUT, ANY, BRANCHES, KEYS, LISTS, KeyPath


def config_schema() -> dict[str, Any]:
    """Describe a whole vtcode.toml."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vtcode.toml",
        **_table(()),
    }


def _table(path: KeyPath) -> dict[str, Any]:
    about = {"description": ABOUT[path]} if path in ABOUT else {}
    names = BRANCHES[path]
    if path in LISTS:
        entry = _table((*path, ANY)) | {"required": list(LISTS[path])}
        return {**about, "type": "array", "items": entry}
    if names == (ANY,):
        known = {"properties": {tool: _part((*path, ANY)) for tool in BUILT_IN}} if path[-1] == "policies" else {}
        return {**about, "type": "object", **known, "additionalProperties": _part((*path, ANY))}
    return {
        **about,
        "type": "object",
        "properties": {name: _part((*path, name)) for name in names},
        "additionalProperties": False,
    }


def _part(path: KeyPath) -> dict[str, Any]:
    if path not in KEYS:
        return _table(path)
    key = KEYS[path]
    is_policy = key.type is Policy
    schema = {"enum": [policy.value for policy in Policy]} if is_policy else msgspec.json.schema(key.type)
    return {"description": f"{key.about}.", **schema, **({} if key.default is None else {"default": key.default})}
