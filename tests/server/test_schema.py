"""Schemas: what is refused, and what the grammar and the validator are given."""

import re

import pytest

from lmserver import schema
from lmserver.errors import ApiError
from lmwire.chat import FunctionDefinition


def test_a_function_without_parameters_takes_none() -> None:
    assert schema.parameters_of(FunctionDefinition("f")) == {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }


def test_what_a_function_says_of_further_members_is_kept() -> None:
    given = {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}
    assert schema.parameters_of(FunctionDefinition("f", parameters=given)) == given


def test_references_follow_a_functions_definitions_into_the_call() -> None:
    parameters = {
        "type": "object",
        "properties": {"n": {"$ref": "#/$defs/n"}},
        "$defs": {"n": {"type": "integer"}},
        "required": ["n"],
    }
    functions = [
        FunctionDefinition("f", parameters=parameters),
        FunctionDefinition("g", parameters=parameters),
    ]
    shape = schema.call_schema(functions)
    assert schema.fault(shape, {"name": "g", "arguments": {"n": 1}}) is None
    assert schema.fault(shape, {"name": "g", "arguments": {"n": "1"}}) is not None
    assert schema.fault(shape, {"name": "h", "arguments": {"n": 1}}) is not None


def test_a_short_call_is_still_a_call_of_the_plain_shape() -> None:
    parameters = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "minLength": 70},
            "kind": {"type": "string", "enum": ["a"]},
            "many": {"type": "array", "items": {"type": "string"}, "minItems": 6},
            "count": {"type": "integer"},
        },
    }
    short = schema.call_schema([FunctionDefinition("f", parameters=parameters)], short=True)["$defs"]["f0"]
    assert short["properties"]["text"] == {"type": "string", "minLength": 70, "maxLength": 70}
    assert short["properties"]["kind"] == {"type": "string", "enum": ["a"]}
    assert short["properties"]["many"]["maxItems"] == 6
    assert short["properties"]["count"]["maximum"] == 1_000_000


def test_a_schema_that_nests_without_end_is_refused() -> None:
    deep: dict[str, object] = {"type": "string"}
    for _ in range(5_000):
        deep = {"type": "array", "items": deep}
    with pytest.raises(ApiError, match="deeper"):
        schema.check(deep, "x", is_promised=False)


def test_the_refusal_says_where() -> None:
    with pytest.raises(ApiError, match=r"`pattern` at #/properties/a/anyOf/1"):
        schema.check({"properties": {"a": {"anyOf": [{}, {"pattern": "(?!x)"}]}}}, "x", is_promised=False)


@pytest.mark.parametrize(
    ("given", "keyword"),
    [
        ({"if": {}, "then": {}}, "if"),
        ({"type": "array", "contains": {}}, "contains"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"propertyNames": {}}, "propertyNames"),
        ({"not": {}}, "not"),
        ({"minimum": 2, "maximum": 1}, "minimum"),
        ({"enum": []}, "enum"),
        ({"type": "object", "properties": {}, "required": ["a"], "additionalProperties": False}, "required"),
    ],
)
def test_what_a_promised_reply_could_not_keep_is_refused_by_keyword(given: dict[str, object], keyword: str) -> None:
    schema.check({"properties": {"a": given}}, "x", is_promised=False)
    with pytest.raises(ApiError, match=f"`{keyword}` at #/properties/a"):
        schema.check({"properties": {"a": given}}, "x", is_promised=True)


@pytest.mark.parametrize(
    ("given", "keyword"),
    [
        ({"$ref": "#/$defs/missing"}, "$ref"),
        ({"$dynamicRef": "#x"}, "$dynamicRef"),
        ({"type": "string", "pattern": "(?P<x>a)(?P=x)"}, "pattern"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_any_case(given: dict[str, object], keyword: str) -> None:
    with pytest.raises(ApiError, match=re.escape(f"`{keyword}`")):
        schema.check({"properties": {"a": given}}, "x", is_promised=False)


def test_references_with_escapes_are_followed() -> None:
    schema.check({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "string"}}}, "x", is_promised=True)
