"""JSON Schema → what a grammar enforces, what is checked after a reply is there, or a refusal by keyword.

The engine's compiler (LLGuidance) ignores some keywords and gives up silently on others, after which the
reply would be unconstrained text with status 200. So what it cannot compile is refused here, and every
finished reply is validated with the `jsonschema` package.
"""

from collections.abc import Collection, Iterator
from typing import Any, cast

import jsonschema
from jsonschema import validators
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing.exceptions import Unresolvable

from lmserver import grammar
from lmserver.calls import elements_of, members_of, target_of
from lmserver.errors import ApiError
from lmwire.errors import ErrorCode

JsonObject = dict[str, Any]

MAX_DEPTH = 64
"""Schemas nest a few levels in practice; compilers and validators recurse, so depth is bounded."""

MAX_REACH = 1500
"""Levels of all definitions that are referred to: the compiler goes down through one into the next, and one that
goes too deep ends the whole process."""

MAX_UNFOLDED = 200_000
"""JSON values when every reference is replaced by what it means: two references to a definition that holds two
to the next one, and so on, would take a validator years."""

MAX_PROPERTIES = 1000
"""Properties of one object: the compiler's time grows with their square, and 5,000 took it a quarter of a minute."""

MAX_COUNT = 4096
"""What `minItems` and the like may say: the engine's compiler unrolls them, and stands still for minutes."""

MAX_LENGTH = 1_000_000
"""What `minLength` and the like may say."""

MAX_VALUES = 20_000
"""JSON values in a schema, lest its check take longer than its reply."""

_IGNORED = frozenset(
    {"not", "if", "contains", "propertyNames", "uniqueItems", "dependentRequired", "dependentSchemas"}
    | {"dependencies", "unevaluatedItems", "unevaluatedProperties"}
)
"""What the compiler leaves out and the validator knows; `then` and `minContains` belong to one of these."""
_SUBSCHEMA_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_SUBSCHEMA_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SUBSCHEMAS = frozenset(
    {"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"}
    | {"unevaluatedProperties", "unevaluatedItems", "additionalItems"}
)


_PARTS = frozenset({"then", "else", "minContains", "maxContains"})
"""What belongs to a keyword of `_IGNORED`, and means nothing alone."""


def check(schema: JsonObject, where: str, *, is_promised: bool, is_strict: bool = False) -> tuple[str, ...]:
    """Refuse a schema that cannot be enforced; say what of it can only be checked when the reply is there.

    Args:
        schema: the schema as the client sent it.
        where: the request member that holds it, for the message (`tools[0].function.parameters`).
        is_promised: whether the reply must satisfy it. Tools that a model is free to call are described by their
            schemas and held to what the engine knows of them, as agents in use rely on.
        is_strict: whether the client allows nothing that the grammar does not enforce.

    Returns:
        `KEYWORD at POINTER` for each keyword that the grammar does not enforce; nothing unless promised.

    Raises:
        ApiError: 400 `unsupported_schema`, naming the keyword and its JSON pointer.
    """
    _check_size(schema, where)
    after: list[str] = []
    targets: set[str] = set()
    for node, pointer in _walk(schema, "#", 0, where):
        if node is False and pointer == "#":
            raise _refusal(where, pointer, "false", "accepts nothing, so no reply could satisfy it")
        if (members := members_of(node)) is None:
            continue
        _check_node(members, pointer, where)
        targets |= _check_reference(schema, members, pointer, where)
        if is_promised:
            _check_satisfiable(members, pointer, where)
            after += [
                f"{keyword} at {pointer}"
                for keyword in sorted(members.keys() & _IGNORED)
                if members[keyword] is not False
            ]
            if is_strict and after:
                keyword, _, pointer = after[0].partition(" at ")
                raise _refusal(where, pointer, keyword, "is not known to the grammar compiler")
    _check_reach(schema, targets, where)
    _check_meaning(schema, where)
    if is_promised:
        after += _check_compiled(schema, where, known={each.partition(" ")[0] for each in after})
    return tuple(after)


def _check_size(schema: JsonObject, where: str) -> None:
    """Bound depth and number of values, annotations included: whatever reads the schema recurses."""
    values = 0
    for depth, level in enumerate(_levels(schema), 1):
        values += len(level)
        # A subschema is two levels of JSON: its keyword, and what a keyword such as `properties` maps.
        if depth > 2 * MAX_DEPTH:
            raise _refusal(where, "#", "nesting", f"is deeper than {MAX_DEPTH} levels")
        if values > MAX_VALUES:
            raise _refusal(where, "#", "size", f"is more than {MAX_VALUES:,} values")


def _levels(node: Any) -> Iterator[list[Any]]:
    """Yield the JSON values of each level, from the top."""
    level: list[Any] = [node]
    while level:
        yield level
        below: list[Any] = []
        for each in level:
            members = members_of(each)
            below += members.values() if members is not None else elements_of(each) or []
        level = below


def _check_node(node: JsonObject, pointer: str, where: str) -> None:
    reference = node.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        raise _refusal(where, pointer, "$ref", "points outside the schema; only `#…` is followed")
    for keyword in ("$dynamicRef", "$recursiveRef"):
        if keyword in node:
            raise _refusal(where, pointer, keyword, "is not followed; use `$ref`")
    if not isinstance(node.get("$schema", ""), str):
        raise _refusal(where, pointer, "$schema", "is not a string")
    patterns = [("pattern", node.get("pattern"))]
    patterns += [("patternProperties", name) for name in members_of(node.get("patternProperties")) or {}]
    for keyword, pattern in patterns:
        if isinstance(pattern, str) and (why := grammar.pattern_fault(pattern)):
            raise _refusal(where, pointer, keyword, f"cannot be compiled: {why}")
    if "patternProperties" in node and "unevaluatedProperties" in node:
        raise _refusal(where, pointer, "unevaluatedProperties", "beside `patternProperties` cannot be checked")


def _check_reference(schema: JsonObject, node: JsonObject, pointer: str, where: str) -> set[str]:
    """Follow a reference, and the references that it leads to; give all of them."""
    seen: set[str] = set()
    while isinstance(reference := node.get("$ref"), str):
        if reference in seen:
            raise _refusal(where, pointer, "$ref", f"leads back to itself by way of {reference}")
        if len(seen) == MAX_DEPTH:
            raise _refusal(where, pointer, "$ref", f"leads through more than {MAX_DEPTH} references to get anywhere")
        seen.add(reference)
        try:
            node = members_of(target_of(schema, reference)) or {}
        except LookupError as error:
            raise _refusal(where, pointer, "$ref", f"points to {reference}, which is not there") from error
    return seen


def _check_reach(schema: JsonObject, targets: Collection[str], where: str) -> None:
    if sum(len(list(_levels(target_of(schema, target)))) for target in targets) > MAX_REACH:
        raise _refusal(where, "#", "$ref", "leads too deep: there are too many definitions that are referred to")
    if _unfolded(schema) > MAX_UNFOLDED:
        raise _refusal(where, "#", "$ref", f"stands for more than {MAX_UNFOLDED:,} values")


def _unfolded(schema: JsonObject) -> int:
    """Count the values of a schema with its references followed; one that leads back to itself counts once."""
    sizes: dict[int, int] = {}
    stack: list[tuple[Any, list[Any] | None]] = [(schema, None)]
    while stack:
        node, below = stack.pop()
        if below is not None:
            sizes[id(node)] = 1 + sum(sizes[id(each)] for each in below)
        elif id(node) not in sizes:
            sizes[id(node)] = 1
            members = members_of(node)
            if members is None:
                below = elements_of(node) or []
            else:
                # A definition counts where it is referred to.
                below = [value for name, value in members.items() if name not in {"$defs", "definitions"}]
                if isinstance(reference := members.get("$ref"), str):
                    below.append(target_of(schema, reference))
            stack.append((node, below))
            stack += [(each, None) for each in below]
    return sizes[id(schema)]


def _check_satisfiable(node: JsonObject, pointer: str, where: str) -> None:
    """Refuse what no value satisfies, since it would end in a failed reply, and counts without measure."""
    if len(members_of(node.get("properties")) or ()) > MAX_PROPERTIES:
        raise _refusal(where, pointer, "properties", f"has more than {MAX_PROPERTIES:,} members")
    for kind, most in (("Items", MAX_COUNT), ("Properties", MAX_COUNT), ("Length", MAX_LENGTH)):
        for keyword in (f"min{kind}", f"max{kind}"):
            if isinstance(count := node.get(keyword), (int, float)) and count > most:
                raise _refusal(where, pointer, keyword, f"is more than {most:,}, the most that is taken")
    for low, high in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
        bounds = node.get(low), node.get(high)
        if isinstance(bounds[0], (int, float)) and isinstance(bounds[1], (int, float)) and bounds[0] > bounds[1]:
            raise _refusal(where, pointer, low, f"is above `{high}`, so no value satisfies both")
    if node.get("enum") == []:
        raise _refusal(where, pointer, "enum", "is empty, so no value satisfies it")
    if node.get("additionalProperties") is False and "patternProperties" not in node:
        properties = members_of(node.get("properties")) or {}
        for name in elements_of(node.get("required")) or []:
            if name not in properties:
                raise _refusal(where, pointer, "required", f"asks for {name!r}, which `additionalProperties` forbids")


def _check_meaning(schema: JsonObject, where: str) -> None:
    try:
        validator_for(schema, default=jsonschema.Draft202012Validator).check_schema(schema)
    except jsonschema.SchemaError as error:
        # The meta-schema's own keyword means nothing to the sender; the last step of the path is theirs.
        *path, keyword = [str(part) for part in error.absolute_path] or ["schema"]
        raise _refusal(where, "/".join(["#", *path]), keyword, f"is not valid: {error.message[:200]}") from error


def _check_compiled(schema: JsonObject, where: str, *, known: set[str]) -> list[str]:
    try:
        ignored = grammar.ignored_keywords(schema)
    except grammar.Uncompiled as error:
        raise _refusal(where, "#", "schema", f"does not compile to a grammar: {error}") from error
    return [f"{keyword} at #" for keyword in ignored if keyword not in known | _PARTS]


def _walk(node: Any, pointer: str, depth: int, where: str) -> Iterator[tuple[Any, str]]:
    """Yield every subschema with its pointer; a schema without bounds on depth would blow the stack."""
    if depth > MAX_DEPTH:
        raise _refusal(where, pointer, "nesting", f"is deeper than {MAX_DEPTH} levels")
    yield node, pointer
    for keyword, value in (members_of(node) or {}).items():
        below = f"{pointer}/{keyword}"
        if keyword in _SUBSCHEMA_MAPS:
            for name, child in (members_of(value) or {}).items():
                yield from _walk(child, f"{below}/{name}", depth + 1, where)
        elif keyword in _SUBSCHEMA_LISTS:
            for index, child in enumerate(elements_of(value) or []):
                yield from _walk(child, f"{below}/{index}", depth + 1, where)
        elif keyword in _SUBSCHEMAS:
            yield from _walk(value, below, depth + 1, where)


def _refusal(where: str, pointer: str, keyword: object, why: str) -> ApiError:
    return ApiError(
        400,
        f"The schema in {where} cannot be enforced: `{keyword}` at {pointer} {why}.",
        code=ErrorCode.UNSUPPORTED_SCHEMA,
        param=where,
    )


def _match_pattern(_: Validator, pattern: Any, instance: Any, __: Any) -> Iterator[jsonschema.ValidationError]:
    if isinstance(instance, str) and not grammar.matches(pattern, instance):
        yield jsonschema.ValidationError(f"{instance[:60]!r} does not match {pattern!r}")


def _match_names(validator: Validator, patterns: Any, instance: Any, _: Any) -> Iterator[jsonschema.ValidationError]:
    for pattern, subschema in patterns.items():
        for name, value in (members_of(instance) or {}).items():
            if grammar.matches(pattern, name):
                yield from cast("Any", validator).descend(value, subschema, path=name, schema_path=pattern)


def _match_others(
    validator: Validator, subschema: Any, instance: Any, schema: Any
) -> Iterator[jsonschema.ValidationError]:
    patterns = schema.get("patternProperties", {})
    for name, value in (members_of(instance) or {}).items():
        if name in schema.get("properties", {}) or any(grammar.matches(pattern, name) for pattern in patterns):
            continue
        if subschema is False:
            yield jsonschema.ValidationError(f"the member {name[:60]!r} is not allowed")
        else:
            yield from cast("Any", validator).descend(value, subschema, path=name)


class _Endless(Exception):
    """A value that takes too many references to check."""


def _counted(keyword: Any) -> Any:
    """Bound how often a validator follows references, without which its work is bounded by the schema's size."""
    left = MAX_UNFOLDED // 10

    def follow(validator: Validator, reference: Any, instance: Any, schema: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise _Endless
        return keyword(validator, reference, instance, schema)

    return follow


def validator(schema: JsonObject) -> Validator:
    """Build the validator of finished replies, which follows no reference outside the schema."""
    draft = validator_for(schema, default=jsonschema.Draft202012Validator)
    # Python's `re` would run the client's patterns over the model's text, for ever if need be.
    own = {"pattern": _match_pattern, "patternProperties": _match_names, "additionalProperties": _match_others}
    own["$ref"] = _counted(cast("Any", draft).VALIDATORS["$ref"])
    return cast("Any", validators).extend(draft, own)(schema)


def fault(schema: JsonObject, value: Any) -> str | None:
    """Say where and why `schema` refuses `value`, or None when it accepts it."""
    try:
        error = next(iter(validator(schema).iter_errors(value)), None)
    except RecursionError:
        return "the schema refers to itself without end"
    except _Endless:
        return "the schema's references take too long to follow"
    except (Unresolvable, ArithmeticError) as failure:
        return f"the schema cannot be applied ({failure})"
    if error is None:
        return None
    return f"{error.json_path}: {error.message[:300]}"
