"""Tool definitions → the schema of a call, and plainer parameters where the engine's parser needs them."""

from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import unquote

from lmwire.chat import FunctionDefinition

JsonObject = dict[str, Any]

SHORT_STRING = 64
"""Characters in a string of a second attempt at a call, after the first filled its whole budget."""

_PLAIN = frozenset({"type", "description", "properties", "required", "items", "enum", "anyOf", "oneOf"})
_REFERENCES = 8
"""References inside references that are still followed for a plainer schema."""


def call_schema(functions: Sequence[FunctionDefinition], *, short: bool = False) -> JsonObject:
    """Describe one call to one of `functions` as `{"name": …, "arguments": …}`.

    References inside a function's parameters start at the parameters' own root, so its definitions are moved
    up and its references rewritten.

    Args:
        functions: at least one function.
        short: bound every string, array and number, so that a call surely ends within a small budget.
    """
    definitions: JsonObject = {}
    branches: list[JsonObject] = []
    for index, function in enumerate(functions):
        prefix = f"f{index}"
        arguments = _relocate(parameters_of(function), prefix)
        if short:
            arguments = _shortened(arguments)
        definitions[prefix] = arguments
        branches.append(
            {
                "type": "object",
                "properties": {
                    "name": {"const": function.name},
                    "arguments": {"$ref": f"#/$defs/{prefix}"},
                },
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
        )
    shape = branches[0] if len(branches) == 1 else {"anyOf": branches}
    return shape | {"$defs": definitions}


def parameters_of(function: FunctionDefinition) -> JsonObject:
    """Give a function's parameter schema, closed unless it says otherwise.

    An absent one means no parameters, as OpenAI's reference has it; members that nobody named would only
    invite a weak model to invent some without end.
    """
    parameters = dict(function.parameters or {})
    if parameters.keys() & {"$ref", "anyOf", "oneOf", "allOf"}:
        return parameters
    closed: JsonObject = {"type": "object", "properties": {}, "additionalProperties": False}
    return closed | parameters


def _relocate(node: Any, prefix: str) -> Any:
    if (elements := elements_of(node)) is not None:
        return [_relocate(child, prefix) for child in elements]
    if (members := members_of(node)) is None:
        return node
    moved: JsonObject = {}
    for keyword, value in members.items():
        if keyword == "$ref" and isinstance(value, str) and value.startswith("#"):
            moved[keyword] = f"#/$defs/{prefix}{value[1:]}"
        else:
            moved[keyword] = _relocate(value, prefix)
    return moved


def _shortened(node: Any) -> Any:
    members = members_of(node)
    if members is None:
        return node
    short: JsonObject = {}
    for keyword, value in members.items():
        if keyword in {"properties", "patternProperties", "$defs", "definitions"}:
            short[keyword] = {name: _short_value(child) for name, child in (members_of(value) or {}).items()}
        elif keyword in {"anyOf", "oneOf", "prefixItems"}:
            short[keyword] = [_short_value(child) for child in elements_of(value) or []]
        elif keyword == "allOf":
            short[keyword] = [_shortened(child) for child in elements_of(value) or []]
        elif keyword in {"items", "additionalProperties"}:
            short[keyword] = _short_value(value)
        else:
            short[keyword] = value
    kind = short.get("type")
    if kind == "string" and not short.keys() & {"enum", "const", "pattern", "format"}:
        short["maxLength"] = max(short.get("minLength", 0), min(short.get("maxLength", SHORT_STRING), SHORT_STRING))
    elif kind == "array":
        short["maxItems"] = max(short.get("minItems", 0), min(short.get("maxItems", 4), 4))
    elif kind in {"integer", "number"} and not short.keys() & {"enum", "const"}:
        short.setdefault("minimum", -1_000_000)
        short.setdefault("maximum", 1_000_000)
    return short


def _short_value(node: Any) -> Any:
    """Shorten what stands for a whole value: there, a schema that takes anything becomes one of plain values."""
    if node is True or node == {}:
        return {"anyOf": [_shortened({"type": kind}) for kind in ("string", "integer")] + [{"type": "boolean"}]}
    return _shortened(node)


def as_tool(function: FunctionDefinition) -> JsonObject:
    """Write a definition as chat templates read it."""
    return {
        "type": "function",
        "function": {
            "name": function.name,
            "description": function.description or "",
            "parameters": parameters_of(function),
        },
    }


def plainer(function: FunctionDefinition) -> FunctionDefinition:
    """Give the function with parameters of plain keywords alone, references put in place.

    The engine has a parser of its own for calls that a model is free to make, which knows less of JSON Schema.
    """
    given = parameters_of(function)
    return FunctionDefinition(function.name, function.description, _plain(given, given, 0))


def _plain(node: Any, root: JsonObject, followed: int) -> JsonObject:
    members = members_of(node)
    if members is None:
        return {}
    reference = members.get("$ref")
    if isinstance(reference, str):
        return _plain(target_of(root, reference), root, followed + 1) if followed < _REFERENCES else {}
    plain: JsonObject = {}
    for keyword, value in members.items():
        if keyword not in _PLAIN:
            continue
        if keyword == "properties":
            plain[keyword] = {
                name: _plain(child, root, followed)
                for name, child in (members_of(value) or {}).items()
                if child is not False
            }
        elif keyword in {"anyOf", "oneOf"}:
            plain["anyOf"] = [_plain(child, root, followed) for child in elements_of(value) or []]
        elif keyword == "items":
            plain[keyword] = _plain(value, root, followed)
        else:
            plain[keyword] = value
    return plain


def target_of(root: Any, reference: str) -> Any:
    """Follow a `#/…` reference. Raises `LookupError` when nothing is there."""
    if reference != "#" and not reference.startswith("#/"):
        raise LookupError(reference)
    target = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        members, elements = members_of(target), elements_of(target)
        if members is not None and name in members:
            target = members[name]
        elif elements is not None and name.isdecimal() and int(name) < len(elements):
            target = elements[int(name)]
        else:
            raise LookupError(reference)
    return target


def members_of(node: Any) -> JsonObject | None:
    """Give an object's members; None for what is no object."""
    return cast("JsonObject", node) if isinstance(node, dict) else None


def elements_of(node: Any) -> list[Any] | None:
    """Give an array's elements; None for what is no array."""
    return cast("list[Any]", node) if isinstance(node, list) else None
