"""The forms in which families of models write a call: each reads one place of a text (ADR 11)."""

import json
import re
from typing import Any, Final, cast

import msgspec

from vtcode.providers import ToolSpec

MAX_CALLS = 64
"""Calls of one reply."""

END_TOKENS: Final = re.compile(
    r"(?:<\|(?:im_end|eot_id|eom_id|end|call|return|endoftext|end_of_text)\|>|</s>|<end_of_turn>|"
    r"<｜end▁of▁sentence｜>)"
)
"""How a model's template ends a reply; some of it comes along."""


class Found(msgspec.Struct, frozen=True):
    """Calls in a text, and where it goes on behind them."""

    calls: list[tuple[str, str]]
    """Name and raw arguments."""
    end: int


# Inside markers ------------------------------------------------------------------------------------------


def read_marked(text: str, at: int, offered: dict[str, ToolSpec]) -> Found | None:
    """Read the calls of the marker at `at`."""
    if text.startswith("<tool_call>", at):
        return _tagged(text, at + len("<tool_call>"), "</tool_call>", offered)
    if text.startswith("<function_call>", at):
        return _tagged(text, at + len("<function_call>"), "</function_call>", offered)
    if text.startswith("[TOOL_REQUEST]", at):
        return _tagged(text, at + len("[TOOL_REQUEST]"), "[END_TOOL_REQUEST]", offered)
    if text.startswith("<function=", at):
        return _function_element(text, at, offered)
    if text.startswith("<|python_tag|>", at):
        return read_objects(text, at + len("<|python_tag|>"), offered)
    if text.startswith("[TOOL_CALLS]", at):
        return _mistral(text, at + len("[TOOL_CALLS]"), offered)
    if text.startswith("```tool_code", at):
        return _tool_code(text, at, offered)
    if text.startswith(("<|channel|>", "<|start|>assistant"), at):
        return _harmony(text, at, offered)
    return _sections(text, at, offered)


def _tagged(text: str, at: int, closing: str, offered: dict[str, ToolSpec]) -> Found | None:
    """Read what stands in a pair of tags: an object, a function element, or a name with its arguments' elements.

    The closing tag may be missing at the very end: servers take it for the end of the reply.
    """
    at = _skip(text, at)
    if text.startswith("<function=", at):
        found = _function_element(text, at, offered)
    elif text.startswith(("{", "[", "```"), at):
        if text.startswith("```", at):
            at = _skip(text, text.find("\n", at) + 1 or len(text))
        found = read_objects(text, at, offered) or _broken(text, at, closing, offered)
    else:
        found = _arg_elements(text, at, closing, offered)
    if found is None:
        return None
    # A brace too many, and the end of a fence, are passed over.
    tail = re.compile(r"[\s}\]`]*").match(text, found.end)
    after = tail.end() if tail else found.end
    if text.startswith(closing, after):
        return Found(found.calls, after + len(closing))
    is_cut = after == len(text) or closing.startswith(text[after:])
    return Found(found.calls, len(text)) if is_cut else found


def _broken(text: str, at: int, closing: str, offered: dict[str, ToolSpec]) -> Found | None:
    """Take an object that does not parse for the call that it clearly is, so that the model is told what is wrong."""
    end = text.find(closing, at)
    written = text[at : end if end >= 0 else len(text)]
    name = re.search(r'"name"\s*:\s*"([^"\\]{1,128})"', written)
    arguments = re.search(r'"(?:arguments|parameters)"\s*:\s*', written)
    if name is None or arguments is None or (known := _offered(name.group(1), offered)) is None:
        return None
    # It is not JSON, and must not become JSON by where it is cut.
    raw = written[arguments.end() :].strip()
    return Found([(known, raw if not _parses(raw) else written)], end if end >= 0 else len(text))


def _parses(text: str) -> bool:
    try:
        msgspec.json.decode(text.encode("utf-8", "replace"))
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


# JSON ----------------------------------------------------------------------------------------------------

_DECODER = json.JSONDecoder()
_NAMES: Final = ("name", "function", "tool_name")
_ARGUMENTS: Final = ("arguments", "parameters")
_MEMBERS: Final = frozenset({*_NAMES, *_ARGUMENTS, "type", "id"})


def read_objects(text: str, at: int, offered: dict[str, ToolSpec], *, is_strict: bool = False) -> Found | None:
    """Read one object that names a call, a list of them, or several with a semicolon or a line break between."""
    calls: list[tuple[str, str]] = []
    end = at = _skip(text, at)
    while at < len(text) and text[at] in "{[" and len(calls) < MAX_CALLS:
        try:
            value, end_of_value = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        entries = cast("list[object]", value) if isinstance(value, list) else [value]
        found = [_named(entry, offered, is_strict=is_strict) for entry in entries]
        if not found or any(call is None for call in found):
            break
        calls += [call for call in found if call is not None]
        end = end_of_value
        at = _skip(text, end, ";,")
    return Found(calls, end) if calls else None


def _named(value: object, offered: dict[str, ToolSpec], *, is_strict: bool) -> tuple[str, str] | None:
    """Read an object as a call: a name that was offered, and arguments.

    Args:
        is_strict: nothing but its form says that it is a call, so it must have both, and nothing else.
    """
    if not isinstance(value, dict):
        return None
    entry = cast("dict[str, Any]", value)
    if isinstance(entry.get("function"), dict):
        inner = cast("dict[str, Any]", entry["function"])
        return _named(inner, offered, is_strict=is_strict) if set(entry) <= _MEMBERS else None
    name = next((entry[key] for key in _NAMES if isinstance(entry.get(key), str)), None)
    known = _offered(name, offered) if name is not None else None
    if known is None:
        return None
    key = next((key for key in _ARGUMENTS if key in entry), None)
    if is_strict and (key is None or not isinstance(entry[key], dict) or not set(entry) <= _MEMBERS):
        return None
    arguments: object = entry[key] if key is not None else None
    # Some write the arguments as OpenAI's API has them: JSON in a string.
    return known, arguments if isinstance(arguments, str) else "{}" if arguments is None else _written(arguments)


def _written(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    # A lone surrogate has no UTF-8, so it stays escaped.
    return text if text.isascii() or not re.search("[\ud800-\udfff]", text) else json.dumps(value)


def _offered(name: str, offered: dict[str, ToolSpec]) -> str | None:
    """Find a tool by what the model calls it."""
    name = name.strip()
    for known in (name, name.removeprefix("functions.").removeprefix("default_api.")):
        if known in offered:
            return known
    return None


def _skip(text: str, at: int, more: str = "") -> int:
    while at < len(text) and (text[at].isspace() or text[at] in more):
        at += 1
    return at


# Elements ------------------------------------------------------------------------------------------------

_FUNCTION: Final = re.compile(r"<function=([^>\s]{1,128})>\s*")
_PARAMETER: Final = re.compile(
    r"<parameter=([^>\s]{1,128})>(.*?)(?:</parameter>|(?=<parameter=|</function>))", re.DOTALL
)
_ARG: Final = re.compile(r"\s*<arg_key>\s*([^<]{1,128}?)\s*</arg_key>\s*<arg_value>(.*?)</arg_value>", re.DOTALL)


def _function_element(text: str, at: int, offered: dict[str, ToolSpec]) -> Found | None:
    """Read `<function=name>`, with JSON (Llama 3.1) or parameters as elements (Qwen3-Coder) in it."""
    head = _FUNCTION.match(text, at)
    name = _offered(head.group(1), offered) if head else None
    if head is None or name is None:
        return None
    closing = text.find("</function>", head.end())
    inside = text[head.end() : closing if closing >= 0 else len(text)]
    end = closing + len("</function>") if closing >= 0 else len(text)
    if inside.lstrip().startswith("{"):
        return Found([(name, inside.strip())], end)
    if closing < 0 and "</parameter>" not in inside:
        return None
    values = {
        parameter.group(1): _typed(parameter.group(2), parameter.group(1), offered[name])
        for parameter in _PARAMETER.finditer(inside + "</function>")
    }
    if not values and inside.strip():
        return None
    return Found([(name, _written(values))], end)


def _arg_elements(text: str, at: int, closing: str, offered: dict[str, ToolSpec]) -> Found | None:
    """Read a bare name with `<arg_key>` and `<arg_value>` elements behind it (GLM)."""
    head = re.compile(r"([\w.:-]{1,128})\s*").match(text, at)
    name = _offered(head.group(1), offered) if head else None
    if head is None or name is None:
        return None
    values: dict[str, object] = {}
    end = head.end()
    while element := _ARG.match(text, end):
        values[element.group(1)] = _typed(element.group(2), element.group(1), offered[name])
        end = element.end()
    if not values and not text.startswith(closing, end):
        return None
    return Found([(name, _written(values))], end)


def _typed(value: str, name: str, tool: ToolSpec) -> object:
    """Read the text of an element as what the tool's schema says that it is."""
    properties = tool.parameters.get("properties")
    schema: object = cast("dict[str, object]", properties).get(name) if isinstance(properties, dict) else None
    kind = cast("dict[str, object]", schema).get("type") if isinstance(schema, dict) else None
    # One line break on each side is the layout's, the others are the value's.
    plain = value.removeprefix("\n").removesuffix("\n")
    if kind == "string":
        return plain
    try:
        return json.loads(plain)
    except (ValueError, RecursionError):
        return plain


# Families with a grammar of their own --------------------------------------------------------------------

_MISTRAL: Final = re.compile(r"\s*([\w.:-]{1,128})\s*(?:\[CALL_ID\][\w-]{1,64}\s*)?(?:\[ARGS\]\s*)?(?=\{)")


def _mistral(text: str, at: int, offered: dict[str, ToolSpec]) -> Found | None:
    """Read `[TOOL_CALLS]` with a list of objects behind it, or with names that have their arguments behind them."""
    if listed := read_objects(text, at, offered):
        return listed
    calls: list[tuple[str, str]] = []
    end = at
    while (head := _MISTRAL.match(text, at)) and len(calls) < MAX_CALLS:
        name = _offered(head.group(1), offered)
        if name is None or (parsed := _object_at(text, head.end())) is None:
            break
        arguments, end = parsed
        calls.append((name, arguments))
        at = _skip(text, end)
        if text.startswith("[TOOL_CALLS]", at):
            at += len("[TOOL_CALLS]")
    return Found(calls, end) if calls else None


def _object_at(text: str, at: int) -> tuple[str, int] | None:
    """Read one JSON object, as it is written."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None
    return (text[at:end], end) if isinstance(value, dict) else None


_HARMONY_CALL: Final = re.compile(
    r"(?:<\|start\|>assistant)?(?:\s*to=(?P<early>[\w.:-]{1,128}))?\s*"
    r"<\|channel\|>\s*(?:commentary|analysis)(?:\s+to=(?P<late>[\w.:-]{1,128}))?\s*"
    r"(?:<\|constrain\|>\s*\w+\s*|\s+json\s*|\s+code\s*)?<\|message\|>\s*"
)


def _harmony(text: str, at: int, offered: dict[str, ToolSpec]) -> Found | None:
    """Read a message to a function in gpt-oss's channel form."""
    head = _HARMONY_CALL.match(text, at)
    target = (head.group("early") or head.group("late")) if head else None
    name = _offered(target, offered) if target else None
    if head is None or name is None or (parsed := _object_at(text, head.end())) is None:
        return None
    arguments, end = parsed
    closing = END_TOKENS.match(text, _skip(text, end))
    return Found([(name, arguments)], closing.end() if closing else end)


_SECTION: Final = re.compile(r"\s*(?:<｜tool▁calls▁begin｜>|<\|tool_calls_section_begin\|>)?\s*")
_SECTION_CALL: Final = re.compile(
    # Kimi, DeepSeek V3.1, DeepSeek V3 and R1.
    r"\s*(?:<\|tool_call_begin\|>\s*(?P<kimi>[\w.-]{1,128}?)(?::\d+)?\s*<\|tool_call_argument_begin\|>\s*"
    r"|<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>(?P<old>[\w.:-]{1,128})\s*```(?:json)?\s*"
    r"|(?P<new>[\w.:-]{1,128})\s*<｜tool▁sep｜>\s*))"
)
_SECTION_NEXT: Final = re.compile(r"\s*(?:```)?\s*(?:<｜tool▁call▁end｜>|<\|tool_call_end\|>)?")
_SECTION_END: Final = re.compile(r"\s*(?:<｜tool▁calls▁end｜>|<\|tool_calls_section_end\|>)")


def _sections(text: str, at: int, offered: dict[str, ToolSpec]) -> Found | None:
    """Read the calls of a section as DeepSeek and Kimi mark them."""
    opened = _SECTION.match(text, at)
    end = opened.end() if opened else at
    calls: list[tuple[str, str]] = []
    while (head := _SECTION_CALL.match(text, end)) and len(calls) < MAX_CALLS:
        name = _offered(head.group("kimi") or head.group("old") or head.group("new"), offered)
        if name is None or (parsed := _object_at(text, head.end())) is None:
            break
        arguments, end = parsed
        calls.append((name, arguments))
        behind = _SECTION_NEXT.match(text, end)
        end = behind.end() if behind else end
    closing = _SECTION_END.match(text, end)
    return Found(calls, closing.end() if closing else end) if calls else None


_TOOL_CODE: Final = re.compile(r"```tool_code[ \t]*\n(.*?)(?:\n[ \t]*```|```|\Z)", re.DOTALL)
_MAX_CODE = 100_000
"""Characters of a piece of Python that is parsed."""


def _tool_code(text: str, at: int, offered: dict[str, ToolSpec]) -> Found | None:
    """Read calls that are written as Python, as Gemma does; only names and plain values are taken, nothing runs."""
    block = _TOOL_CODE.match(text, at)
    if block is None or len(block.group(1)) > _MAX_CODE:
        return None
    # Loaded for the one family that writes Python.
    import ast

    try:
        statements = ast.parse(block.group(1).strip()).body
        calls = [_python_call(statement, offered) for statement in statements]
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    if not calls or any(call is None for call in calls):
        return None
    return Found([call for call in calls if call is not None], block.end())


def _python_call(statement: object, offered: dict[str, ToolSpec]) -> tuple[str, str] | None:
    import ast

    value = statement.value if isinstance(statement, (ast.Expr, ast.Assign)) else None
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "print" and len(value.args) == 1:
        value = value.args[0]
    if not isinstance(value, ast.Call):
        return None
    name = _offered(ast.unparse(value.func), offered)
    if name is None:
        return None
    # Arguments without a name are given in the order of the schema.
    properties: list[str] = list(offered[name].parameters.get("properties", {}))
    if len(value.args) > len(properties) or any(keyword.arg is None for keyword in value.keywords):
        return None
    arguments = {given: ast.literal_eval(argument) for given, argument in zip(properties, value.args, strict=False)}
    arguments |= {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in value.keywords}
    try:
        return name, _written(arguments)
    except TypeError:
        return None
