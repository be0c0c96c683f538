"""Schemas that other people's servers wrote: what the model is shown of one, and arguments checked against it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from vtcode.tools.tool import JsonObject

_KEPT: Final = ("type", "enum", "const", "required", "minimum", "maximum")
_CHOICES: Final = ("anyOf", "oneOf", "allOf")
_MOST_DESCRIPTION: Final = 100
_MOST_DEPTH: Final = 6
_MOST_NODES: Final = 300
_MOST_CHECKS: Final = 20_000
_MOST_REASON: Final = 300
# Regular expressions of a stranger can take for ever; the server checks what it means by them itself.
_UNCHECKED: Final = ("pattern", "patternProperties", "format")


def compact(schema: object) -> JsonObject:
    """Return what the model has to know of a schema: prompt tokens are scarce.

    Without titles, examples, defaults and the like, descriptions cut, references put in place; finite whatever the
    schema is.
    """
    whole = _mapping(schema)
    shown = _Compacting(whole).node(whole, 0)
    parameters: JsonObject = {"type": "object", "properties": shown.get("properties") or cast("JsonObject", {})}
    return parameters | ({"required": shown["required"]} if shown.get("required") else {})


class _Compacting:
    """One schema on its way, and how much of it is left to read."""

    def __init__(self, whole: JsonObject) -> None:
        self._whole = whole
        self._left = _MOST_NODES

    def node(self, given: object, depth: int) -> JsonObject:
        schema = self._resolved(_mapping(given))
        self._left -= 1
        if depth > _MOST_DEPTH or self._left < 0:
            return {}
        kept: JsonObject = {key: schema[key] for key in _KEPT if key in schema}
        description = schema.get("description")
        if isinstance(description, str) and depth:
            kept["description"] = shortened(description, _MOST_DESCRIPTION)
        if "properties" in schema:
            members = _mapping(schema["properties"])
            kept["properties"] = {name: self.node(member, depth + 1) for name, member in members.items()}
        if "items" in schema:
            kept["items"] = self.node(schema["items"], depth + 1)
        for key in _CHOICES:
            if isinstance(schema.get(key), list):
                options = [self.node(option, depth + 1) for option in cast("list[object]", schema[key])]
                real = [option for option in options if option.get("type") != "null"]
                kept |= real[0] | kept if len(real) == 1 else {key: real}
        return kept

    def _resolved(self, schema: JsonObject) -> JsonObject:
        for _ in range(_MOST_DEPTH):
            reference = schema.get("$ref")
            if not isinstance(reference, str) or not reference.startswith("#/"):
                break
            found: object = self._whole
            for part in reference[2:].split("/"):
                found = _mapping(found).get(part.replace("~1", "/").replace("~0", "~"))
            schema = _mapping(found) | {key: value for key, value in schema.items() if key != "$ref"}
        return schema


def shortened(text: str, most: int) -> str:
    """Return a text in one line, of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def _mapping(value: object) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {}


# Checking -----------------------------------------------------------------------------------------------


class _TooMuch(Exception):
    """The schema takes longer to check than any honest one."""


def problem(arguments: Mapping[str, object], schema: JsonObject) -> str | None:
    """Return what the schema says against these arguments, or None.

    What cannot be checked here is left to the server: a schema that is none, and one that leads elsewhere.
    """
    # Here, since it takes its time to load, and only calls to such servers need it.
    from jsonschema import Draft202012Validator, exceptions, validators
    from jsonschema.exceptions import ValidationError
    from referencing import Registry

    left = _MOST_CHECKS

    def counted(check: Callable[..., Iterator[ValidationError] | None]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise _TooMuch
            return check(*given)

        return run

    checks = cast("Mapping[str, Callable[..., Any]]", Draft202012Validator.VALIDATORS)  # pyright: ignore[reportUnknownMemberType]
    known = {name: counted(check) for name, check in checks.items() if name not in _UNCHECKED}
    validator: Any = cast("Any", validators).extend(
        Draft202012Validator, {**known, **dict.fromkeys(_UNCHECKED, _unchecked)}
    )
    # An empty registry fetches nothing.
    checking: Any = validator(schema, registry=cast("Any", Registry)())
    try:
        found: Any = cast("Any", exceptions).best_match(checking.iter_errors(dict(arguments)))
    except Exception:
        # The schema is the server's, and so is whatever it makes of the library.
        return None
    if found is None:
        return None
    error = cast("ValidationError", found)
    where = ".".join(str(part) for part in error.absolute_path)
    return shortened(f"{where}: {error.message}" if where else error.message, _MOST_REASON)


def _unchecked(*given: Any) -> None:
    """Check nothing."""
