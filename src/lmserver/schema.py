"""JSON Schema → a grammar that enforces it, a validator, or a refusal that names the keyword.

The engine's compiler (LLGuidance) ignores some keywords and gives up silently on others, after which the
reply would be unconstrained text with status 200. So what it cannot compile is refused here, and every
finished reply is validated with the `jsonschema` package.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

import jsonschema
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

from lmserver.errors import ApiError
from lmwire.chat import FunctionDefinition
from lmwire.errors import ErrorCode

JsonObject = dict[str, Any]

MAX_DEPTH = 64
"""Schemas nest a few levels in practice; compilers and validators recurse, so depth is bounded."""

SHORT_STRING = 64
"""Characters in a string of a second attempt at a call, after the first filled its whole budget."""

# Separators as Jinja's `tojson` writes them: the call then stands in the prompt cache as it was generated.
_GUIDANCE = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "coerce_one_of": True,
    "lenient": True,
}
_LOOK_AROUND = re.compile(r"\(\?(?:[=!]|<[=!]|P=)|\\[1-9]")
_IGNORED = frozenset(
    {"not", "if", "then", "else", "contains", "minContains", "maxContains", "propertyNames", "uniqueItems"}
    | {"dependentRequired", "dependentSchemas", "dependencies", "unevaluatedItems", "unevaluatedProperties"}
)
_SUBSCHEMA_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_SUBSCHEMA_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SUBSCHEMAS = frozenset(
    {"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"}
    | {"unevaluatedProperties", "unevaluatedItems", "additionalItems"}
)


def check(schema: JsonObject, where: str, *, is_promised: bool) -> None:
    """Refuse a schema that cannot be enforced.

    Args:
        schema: the schema as the client sent it.
        where: the request member that holds it, for the message (`tools[0].function.parameters`).
        is_promised: whether the reply must satisfy it. Tools that a model is free to call are described by their
            schemas and held to what the engine knows of them, as agents in use rely on.

    Raises:
        ApiError: 400 `unsupported_schema`, naming the keyword and its JSON pointer.
    """
    for node, pointer in _walk(schema, "#", 0, where):
        if node is False and pointer == "#":
            raise _refusal(where, pointer, "false", "accepts nothing, so no reply could satisfy it")
        if (members := _members(node)) is not None:
            _check_node(members, pointer, where)
            _check_reference(schema, members, pointer, where)
            if is_promised:
                _check_enforced(members, pointer, where)
    try:
        validator_for(schema, default=jsonschema.Draft202012Validator).check_schema(schema)
    except jsonschema.SchemaError as error:
        # The meta-schema's own keyword means nothing to the sender; the last step of the path is theirs.
        *path, keyword = [str(part) for part in error.absolute_path] or ["schema"]
        raise _refusal(where, "/".join(["#", *path]), keyword, f"is not valid: {error.message}") from error


def _check_node(node: JsonObject, pointer: str, where: str) -> None:
    reference = node.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        raise _refusal(where, pointer, "$ref", "points outside the schema; only `#…` is followed")
    for keyword in ("$dynamicRef", "$recursiveRef"):
        if keyword in node:
            raise _refusal(where, pointer, keyword, "is not followed; use `$ref`")
    pattern = node.get("pattern")
    if isinstance(pattern, str):
        if _LOOK_AROUND.search(pattern):
            raise _refusal(where, pointer, "pattern", "uses look-around or a back-reference")
        try:
            re.compile(pattern)
        except re.error as error:
            raise _refusal(where, pointer, "pattern", f"is not a regular expression ({error})") from error


def _check_reference(schema: JsonObject, node: JsonObject, pointer: str, where: str) -> None:
    reference = node.get("$ref")
    if not isinstance(reference, str):
        return
    target: Any = schema
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        members, elements = _members(target), _elements(target)
        if members is not None and name in members:
            target = members[name]
        elif elements is not None and name.isdecimal() and int(name) < len(elements):
            target = elements[int(name)]
        else:
            raise _refusal(where, pointer, "$ref", f"points to {reference}, which is not there")


def _check_enforced(node: JsonObject, pointer: str, where: str) -> None:
    """Refuse what the grammar compiler ignores, and what no value satisfies: both would end in a failed reply."""
    for keyword in node:
        if keyword in _IGNORED and node[keyword] is not False:
            raise _refusal(where, pointer, keyword, "is not known to the grammar compiler")
    for low, high in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
        bounds = node.get(low), node.get(high)
        if isinstance(bounds[0], (int, float)) and isinstance(bounds[1], (int, float)) and bounds[0] > bounds[1]:
            raise _refusal(where, pointer, low, f"is above `{high}`, so no value satisfies both")
    if node.get("enum") == []:
        raise _refusal(where, pointer, "enum", "is empty, so no value satisfies it")
    if node.get("additionalProperties") is False and "patternProperties" not in node:
        properties = _members(node.get("properties")) or {}
        for name in _elements(node.get("required")) or []:
            if name not in properties:
                raise _refusal(where, pointer, "required", f"asks for {name!r}, which `additionalProperties` forbids")


def _walk(node: Any, pointer: str, depth: int, where: str) -> Iterator[tuple[Any, str]]:
    """Yield every subschema with its pointer; a schema without bounds on depth would blow the stack."""
    if depth > MAX_DEPTH:
        raise _refusal(where, pointer, "nesting", f"is deeper than {MAX_DEPTH} levels")
    yield node, pointer
    for keyword, value in (_members(node) or {}).items():
        below = f"{pointer}/{keyword}"
        if keyword in _SUBSCHEMA_MAPS:
            for name, child in (_members(value) or {}).items():
                yield from _walk(child, f"{below}/{name}", depth + 1, where)
        elif keyword in _SUBSCHEMA_LISTS:
            for index, child in enumerate(_elements(value) or []):
                yield from _walk(child, f"{below}/{index}", depth + 1, where)
        elif keyword in _SUBSCHEMAS:
            yield from _walk(value, below, depth + 1, where)


def _members(node: Any) -> JsonObject | None:
    return cast("JsonObject", node) if isinstance(node, dict) else None


def _elements(node: Any) -> list[Any] | None:
    return cast("list[Any]", node) if isinstance(node, list) else None


def _refusal(where: str, pointer: str, keyword: object, why: str) -> ApiError:
    return ApiError(
        400,
        f"The schema in {where} cannot be enforced: `{keyword}` at {pointer} {why}.",
        code=ErrorCode.UNSUPPORTED_SCHEMA,
        param=where,
    )


def grammar(schema: JsonObject) -> str:
    """Write the LLGuidance grammar of one JSON value that `schema` accepts."""
    return "%llguidance {}\nstart: %json " + json.dumps(schema | {"x-guidance": _GUIDANCE})


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
    if (elements := _elements(node)) is not None:
        return [_relocate(child, prefix) for child in elements]
    if (members := _members(node)) is None:
        return node
    moved: JsonObject = {}
    for keyword, value in members.items():
        if keyword == "$ref" and isinstance(value, str) and value.startswith("#"):
            moved[keyword] = f"#/$defs/{prefix}{value[1:]}"
        else:
            moved[keyword] = _relocate(value, prefix)
    return moved


def _shortened(node: Any) -> Any:
    if (elements := _elements(node)) is not None:
        return [_shortened(child) for child in elements]
    if (members := _members(node)) is None:
        return node
    short: JsonObject = {keyword: _shortened(value) for keyword, value in members.items()}
    kind = short.get("type")
    if kind == "string" and not short.keys() & {"enum", "const", "pattern", "format"}:
        short["maxLength"] = max(short.get("minLength", 0), min(short.get("maxLength", SHORT_STRING), SHORT_STRING))
    elif kind == "array":
        short["maxItems"] = max(short.get("minItems", 0), min(short.get("maxItems", 4), 4))
    elif kind in {"integer", "number"} and not short.keys() & {"enum", "const"}:
        short.setdefault("minimum", -1_000_000)
        short.setdefault("maximum", 1_000_000)
    return short


def validator(schema: JsonObject) -> Validator:
    """Build the validator of finished replies, which follows no reference outside the schema."""
    return validator_for(schema, default=jsonschema.Draft202012Validator)(schema)


def fault(schema: JsonObject, value: Any) -> str | None:
    """Say where and why `schema` refuses `value`, or None when it accepts it."""
    try:
        error = next(iter(validator(schema).iter_errors(value)), None)
    except RecursionError:
        return "the schema refers to itself without end"
    if error is None:
        return None
    return f"{error.json_path}: {error.message}"
