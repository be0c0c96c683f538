"""Schemas: what is refused, and what the grammar and the validator are given."""

import json
import re
import time
from collections.abc import Callable

import pytest

from lmserver import calls, grammar, schema
from lmserver.errors import ApiError
from lmwire.chat import FunctionDefinition


def test_a_function_without_parameters_takes_none() -> None:
    assert calls.parameters_of(FunctionDefinition("f")) == {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }


def test_what_a_function_says_of_further_members_is_kept() -> None:
    given = {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}
    assert calls.parameters_of(FunctionDefinition("f", parameters=given)) == given


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
    shape = calls.call_schema(functions)
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
    short = calls.call_schema([FunctionDefinition("f", parameters=parameters)], short=True)["$defs"]["f0"]
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
        ({"minimum": 2, "maximum": 1}, "minimum"),
        ({"enum": []}, "enum"),
        ({"type": "object", "properties": {}, "required": ["a"], "additionalProperties": False}, "required"),
    ],
)
def test_what_no_reply_could_satisfy_is_refused_by_keyword(given: dict[str, object], keyword: str) -> None:
    schema.check({"properties": {"a": given}}, "x", is_promised=False)
    with pytest.raises(ApiError, match=f"`{keyword}` at #/properties/a"):
        schema.check({"properties": {"a": given}}, "x", is_promised=True)


@pytest.mark.parametrize(
    ("given", "keyword"),
    [
        ({"if": {}, "then": {}}, "if"),
        ({"type": "array", "contains": {}}, "contains"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"propertyNames": {}}, "propertyNames"),
        ({"not": {}}, "not"),
        ({"dependentRequired": {"a": ["b"]}}, "dependentRequired"),
    ],
)
def test_what_no_grammar_enforces_is_checked_after_or_refused_if_strict(
    given: dict[str, object], keyword: str
) -> None:
    whole = {"properties": {"a": given}}
    assert schema.check(whole, "x", is_promised=False) == ()
    assert schema.check(whole, "x", is_promised=True) == (f"{keyword} at #/properties/a",)
    with pytest.raises(ApiError, match=f"`{keyword}` at #/properties/a"):
        schema.check(whole, "x", is_promised=True, is_strict=True)


@pytest.mark.parametrize(
    "given",
    [
        {"type": "object", "minProperties": 1, "patternProperties": {"^a": {"type": "integer"}}},
        {"type": "array", "prefixItems": [{"type": "integer"}], "items": False},
        {"type": "string", "format": "date", "title": "A day", "default": "", "x-mine": 1},
        {"allOf": [{"type": "integer"}, {"minimum": 3}]},
    ],
)
def test_what_the_grammar_enforces_is_strict_enough(given: dict[str, object]) -> None:
    assert schema.check(given, "x", is_promised=True, is_strict=True) == ()


@pytest.mark.parametrize("pattern", ["{2}x", "(?<=a)b", "(" * 60_000 + ")" * 60_000, r"\bword\b", "[a"])
@pytest.mark.parametrize("keyword", ["pattern", "patternProperties"])
def test_a_pattern_that_does_not_compile_is_refused_at_once(pattern: str, keyword: str) -> None:
    given = {"pattern": pattern} if keyword == "pattern" else {"patternProperties": {pattern: {}}}
    began = time.monotonic()
    with pytest.raises(ApiError, match=f"`{keyword}` at #"):
        schema.check(given, "x", is_promised=True)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("pattern", ["(a+)+$", "^(a|a)*$", "^(a*)*$", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_no_pattern_takes_the_validator_long(pattern: str) -> None:
    given = {"type": "string", "pattern": pattern}
    began = time.monotonic()
    schema.check(given, "x", is_promised=True)
    assert schema.fault(given, "a" * 20_000 + "!")
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [("b", "abc", True), ("^b", "abc", False), ("c$", "abc", True), ('^"\\\\$', '"\\', True), ("^é.$", "é☺", True)],
)
def test_patterns_mean_what_they_mean_elsewhere(pattern: str, text: str, found: bool) -> None:
    assert grammar.matches(pattern, text) is found
    assert bool(re.search(pattern, text)) is found


def test_members_are_held_to_their_patterns() -> None:
    given = {"patternProperties": {"^n_": {"type": "integer"}}, "additionalProperties": False}
    assert schema.fault(given, {"n_a": 1}) is None
    assert "n_a" in (schema.fault(given, {"n_a": "x"}) or "")
    assert "other" in (schema.fault(given, {"other": 1}) or "")


@pytest.mark.parametrize(
    "given",
    [
        {"default": json.loads("[" * 500 + "]" * 500)},
        {"enum": list(range(30_000))},
        {"$schema": []},
        {"$ref": "#"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        {"$ref": "#nowhere"},
        {"type": "integer", "minimum": 10**30},
        {"type": "array", "items": {"type": "integer"}, "maxItems": 10**6},
        {"type": "string", "minLength": 10**12},
    ],
)
def test_what_would_stop_the_server_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ApiError) as caught:
        schema.check(given, "x", is_promised=True)
    assert caught.value.status == 400


def test_what_the_engines_own_parser_does_not_know_is_left_out_for_it() -> None:
    parameters = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/x~1y"}, "b": True, "c": {"type": "string", "pattern": "a"}},
        "required": ["a"],
        "$defs": {"x/y": {"type": "array", "items": {"$ref": "#"}}},
    }
    plain = calls.plainer(FunctionDefinition("f", None, parameters)).parameters or {}
    assert plain["required"] == ["a"]
    assert plain["properties"]["a"]["type"] == "array"
    assert plain["properties"]["b"] == {}
    assert plain["properties"]["c"] == {"type": "string"}
    assert "$ref" not in json.dumps(plain)


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


def test_a_text_that_leaves_its_grammar_is_seen_at_once() -> None:
    follower = grammar.Follower(grammar.of(grammar.value({"type": "object", "properties": {"a": {"const": "é"}}})))
    assert follower.allows('{"a') and follower.allows('": "é')
    assert not follower.allows(" and so on")


def chain(length: int, link: Callable[[dict[str, object]], object]) -> dict[str, object]:
    """Make definitions of which each refers to the next one."""
    definitions: dict[str, object] = {f"r{at}": link({"$ref": f"#/$defs/r{at + 1}"}) for at in range(length)}
    return {"$ref": "#/$defs/r0", "$defs": definitions | {f"r{length}": {"type": "string"}}}


@pytest.mark.parametrize(
    "given",
    [
        # The compiler's stack would not hold the first two, and a validator would not live to see the others' end.
        chain(5_000, lambda reference: reference),
        chain(1_000, lambda reference: {"type": "object", "properties": {"a": reference}}),
        chain(25, lambda reference: {"allOf": [reference, reference]}),
        chain(25, lambda reference: {"properties": {"a": reference, "b": reference}}),
    ],
    ids=["direct", "nested", "doubled", "doubled members"],
)
@pytest.mark.parametrize("is_promised", [True, False])
def test_references_that_lead_too_far_are_refused(given: dict[str, object], is_promised: bool) -> None:
    with pytest.raises(ApiError, match=r"\$ref"):
        schema.check(given, "x", is_promised=is_promised)


def test_references_of_an_ordinary_length_are_followed() -> None:
    assert schema.check(chain(60, lambda reference: reference), "x", is_promised=True) == ()
    nested = chain(300, lambda reference: {"type": "object", "properties": {"a": reference}})
    assert schema.check(nested, "x", is_promised=True) == ()


def test_a_value_that_takes_a_validator_too_long_is_a_fault() -> None:
    doubled = {"allOf": [{"properties": {"a": {"$ref": "#/$defs/n"}}}] * 2}
    value: dict[str, object] = {}
    for _ in range(30):
        value = {"a": value}
    assert "too long" in (schema.fault({"$ref": "#/$defs/n", "$defs": {"n": doubled}}, value) or "")


def test_an_object_of_very_many_properties_is_refused_at_once() -> None:
    wide = {"type": "object", "properties": {f"p{at}": {"type": "string"} for at in range(5000)}}
    started = time.monotonic()
    with pytest.raises(ApiError, match="properties"):
        schema.check(wide, "x", is_promised=True)
    assert time.monotonic() - started < 1
