"""Tool parameters like those that real programs offer: twenty-four shapes, from empty to recursive."""

from typing import Any

NAME: Any = {"type": "string", "maxLength": 12}
"""Strings are kept short, so that a reply of a small model ends within its limit."""


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None, **extra: Any) -> Any:
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
        **extra,
    }


SCHEMAS: dict[str, Any] = {
    "now": _object({}),
    "get_weather": _object({"city": NAME, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}}),
    "read_file": _object({"path": NAME}, {"offset": {"type": "integer", "minimum": 0, "maximum": 999}}),
    "set_lights": _object({"on": {"type": "boolean"}, "level": {"type": "integer", "minimum": 0, "maximum": 100}}),
    "add_tags": _object({"tags": {"type": "array", "items": NAME, "minItems": 1, "maxItems": 2}}),
    "move": _object({"to": _object({"x": {"type": "integer"}, "y": {"type": "integer"}})}),
    "search": _object(
        {"filter": {"anyOf": [_object({"author": NAME}), _object({"year": {"type": "integer", "maximum": 2100}})]}}
    ),
    "pay": _object(
        {"amount": {"$ref": "#/$defs/money"}},
        **{"$defs": {"money": _object({"value": {"type": "integer"}, "currency": {"enum": ["EUR", "NOK"]}})}},
    ),
    "translate": _object({"sprache": {"enum": ["Français", "日本語", "Ελληνικά", "Español"]}}),
    "größe_ändern": _object({"größe": {"enum": ["klein", "groß"]}}),
    "delete": _object({"confirm": {"const": True}}),
    "rate": _object({"stars": {"enum": [1, 2, 3, 4, 5]}}),
    "note": _object({"text": {"type": ["string", "null"], "maxLength": 12}}),
    "book": _object({"day": {"type": "string", "format": "date"}}),
    "colour": _object({"hex": {"type": "string", "pattern": "^#[0-9a-f]{6}$"}}),
    "matrix": _object(
        {
            "rows": {
                "type": "array",
                "items": {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 0, "maximum": 9},
                    "minItems": 2,
                    "maxItems": 2,
                },
                "minItems": 2,
                "maxItems": 2,
            }
        }
    ),
    "branch": _object(
        {"tree": {"$ref": "#/$defs/node"}},
        **{
            "$defs": {
                "node": _object({"name": {"enum": ["oak", "elm"]}}, {"next": {"$ref": "#/$defs/leaf"}}),
                "leaf": _object({"name": {"enum": ["red", "tan"]}}),
            }
        },
    ),
    "either": _object({"id": {"anyOf": [{"type": "integer", "maximum": 99}, {"enum": ["first", "last"]}]}}),
    "optional_only": _object({}, {"a": {"type": "boolean"}, "b": {"type": "boolean"}}),
    "quoted": _object({'say "hi"': {"type": "boolean"}, "back\\slash": {"type": "boolean"}}),
    "temperature": _object({"degrees": {"type": "number", "minimum": -50, "maximum": 50}}),
    "order": _object(
        {
            "items": {
                "type": "array",
                "items": _object({"sku": {"enum": ["A1", "B2"]}, "count": {"type": "integer", "maximum": 9}}),
                "minItems": 1,
                "maxItems": 2,
            },
            "express": {"type": "boolean"},
        }
    ),
    "open_object": {
        "type": "object",
        "properties": {"kind": {"enum": ["a", "b"]}},
        "required": ["kind"],
        "title": "Open",
        "$schema": "https://json-schema.org/draft/2020-12/schema",
    },
    "deep": _object({"a": _object({"b": _object({"c": _object({"d": {"enum": ["end"]}})})})}),
}


def tool(name: str) -> Any:
    """Offer one of the schemas as a function."""
    # A function's name is ASCII by the API's rules; the schema inside may hold anything.
    return {
        "type": "function",
        "function": {"name": name if name.isascii() else "resize", "parameters": SCHEMAS[name]},
    }
