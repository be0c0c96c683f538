"""Tool calls that arrive as text: every family's form, and what only looks like one."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtcode.messages import ToolCall
from vtcode.providers import ToolSpec
from vtcode.providers.markers import OPENINGS, Sieve
from vtcode.providers.recovery import recover

TEXT = {"type": "string"}
TOOLS = (
    ToolSpec("read_file", "", {"type": "object", "properties": {"path": TEXT, "first": {"type": "integer"}}}),
    ToolSpec("list_files", "", {"type": "object", "properties": {}}),
    ToolSpec("write_file", "", {"type": "object", "properties": {"path": TEXT, "content": TEXT}}),
)
OBJECT = '{"name": "read_file", "arguments": {"path": "a.txt"}}'

FORMS = {
    "Hermes and Qwen": f"<tool_call>\n{OBJECT}\n</tool_call>",
    "a closing tag that is missing": f"<tool_call>\n{OBJECT}",
    "a closing tag that is cut": f"<tool_call>\n{OBJECT}\n</tool_",
    "a brace too many": f"<tool_call>\n{OBJECT}}}\n</tool_call>",
    "a fence in the tags": f"<tool_call>\n```json\n{OBJECT}\n```\n</tool_call>",
    "function_call tags": f"<function_call>{OBJECT}</function_call>",
    "Llama's python tag": '<|python_tag|>{"name": "read_file", "parameters": {"path": "a.txt"}}<|eom_id|>',
    "Llama's bare object": '{"name": "read_file", "parameters": {"path": "a.txt"}}',
    "Llama's typed object": '{"type": "function", "name": "read_file", "parameters": {"path": "a.txt"}}',
    "OpenAI's own object": '[{"id": "x", "type": "function", "function": ' + OBJECT + "}]",
    "Llama 3.1's function tag": '<function=read_file>{"path": "a.txt"}</function>',
    "Mistral": f"[TOOL_CALLS][{OBJECT}]</s>",
    "Mistral's newer form": '[TOOL_CALLS]read_file[ARGS]{"path": "a.txt"}',
    "Mistral's form with ids": '[TOOL_CALLS]read_file[CALL_ID]a1B2[ARGS]{"path": "a.txt"}',
    "LM Studio": f"[TOOL_REQUEST]{OBJECT}[END_TOOL_REQUEST]",
    "gpt-oss": '<|channel|>commentary to=functions.read_file <|constrain|>json<|message|>{"path": "a.txt"}<|call|>',
    "gpt-oss after its start": (
        "<|start|>assistant<|channel|>commentary to=functions.read_file<|constrain|>json<|message|>"
        '{"path": "a.txt"}<|call|>'
    ),
    "gpt-oss with the target first": (
        '<|start|>assistant to=functions.read_file<|channel|>commentary json<|message|>{"path": "a.txt"}'
    ),
    "Gemma": '```tool_code\nread_file(path="a.txt")\n```',
    "Gemma in a print": '```tool_code\nprint(default_api.read_file("a.txt"))\n```',
    "DeepSeek R1": (
        '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>read_file\n```json\n{"path": "a.txt"}\n```'
        "<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>"
    ),
    "DeepSeek V3.1": (
        '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>read_file<｜tool▁sep｜>{"path": "a.txt"}<｜tool▁call▁end｜>'
        "<｜tool▁calls▁end｜>"
    ),
    "Kimi": (
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.read_file:0<|tool_call_argument_begin|>"
        '{"path": "a.txt"}<|tool_call_end|><|tool_calls_section_end|>'
    ),
    "Qwen3-Coder": (
        "<tool_call>\n<function=read_file>\n<parameter=path>\na.txt\n</parameter>\n</function>\n</tool_call>"
    ),
    "Qwen3-Coder without its outer tag": "<function=read_file>\n<parameter=path>\na.txt\n</parameter>\n</function>",
    "GLM": "<tool_call>read_file\n<arg_key>path</arg_key>\n<arg_value>a.txt</arg_value>\n</tool_call>",
    "fenced JSON": f"```json\n{OBJECT}\n```",
    "fenced tags": f"```xml\n<tool_call>{OBJECT}</tool_call>\n```",
    "arguments in a string": '<tool_call>{"name": "read_file", "arguments": "{\\"path\\": \\"a.txt\\"}"}</tool_call>',
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_each_familys_form_is_a_call(text: str) -> None:
    found = recover(text, TOOLS, prefix="call_3")
    (call,) = found.calls
    assert (call.id, call.name, json.loads(call.arguments)) == ("call_3_0", "read_file", {"path": "a.txt"})
    assert found.text == ""


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_nothing_of_a_call_is_shown_while_it_comes_in(text: str) -> None:
    sieve = Sieve()
    assert "".join(sieve.add(character) for character in text) == ""
    assert sieve.rest() == text


@pytest.mark.parametrize("text", [form for form in FORMS.values() if form.startswith(OPENINGS)])
def test_what_is_said_before_a_call_is_shown_and_kept(text: str) -> None:
    said = f"I look at it first.\n{text}"
    sieve = Sieve()
    assert "".join(sieve.add(character) for character in said).strip() == "I look at it first."
    found = recover(said, TOOLS)
    assert found.text == "I look at it first." and len(found.calls) == 1


def test_several_calls_come_in_their_order() -> None:
    text = f'<tool_call>{OBJECT}</tool_call>\n<tool_call>{{"name": "list_files", "arguments": {{}}}}</tool_call>'
    assert [call.name for call in recover(text, TOOLS).calls] == ["read_file", "list_files"]
    listed = f'[TOOL_CALLS][{OBJECT}, {{"name": "list_files", "arguments": {{}}}}]'
    assert [call.name for call in recover(listed, TOOLS).calls] == ["read_file", "list_files"]


def test_elements_have_the_types_of_the_schema() -> None:
    text = "<function=read_file>\n<parameter=path>\n3\n</parameter>\n<parameter=first>\n3\n</parameter>\n</function>"
    assert recover(text, TOOLS).calls == (ToolCall("call_0", "read_file", '{"path": "3", "first": 3}'),)


def test_the_lines_of_a_file_in_an_element_are_kept() -> None:
    content = "def f():\n    return '<b>'\n\n"
    text = (
        f"<function=write_file><parameter=path>\na.py\n</parameter><parameter=content>\n{content}\n</parameter>"
        "</function>"
    )
    (call,) = recover(text, TOOLS).calls
    assert json.loads(call.arguments) == {"path": "a.py", "content": content}


def test_a_call_whose_json_is_broken_is_a_call_that_is_told_why() -> None:
    (call,) = recover('<tool_call>{"name": "read_file", "arguments": {"path": "a.txt}</tool_call>', TOOLS).calls
    assert call.name == "read_file"
    with pytest.raises(ValueError):
        json.loads(call.arguments)


def test_a_result_that_the_model_made_up_is_dropped_with_what_follows() -> None:
    text = f"<tool_call>{OBJECT}</tool_call>\n<tool_response>pear</tool_response>\nIt says pear."
    found = recover(text, TOOLS)
    assert len(found.calls) == 1 and found.text == ""


NO_CALLS = {
    "a tool that was not offered": '<tool_call>{"name": "rm", "arguments": {}}</tool_call>',
    "JSON that names no tool": '{"name": "orchard", "arguments": {"trees": 3}}',
    "JSON about a tool": '{"name": "read_file", "description": "Reads a file."}',
    "JSON with more in it": '{"name": "read_file", "arguments": {"path": "a"}, "why": "because"}',
    "JSON that goes on": f"{OBJECT}\nThis would read the file.",
    "a fence in an explanation": f"One would write:\n\n```json\n{OBJECT}\n```\n\nThat reads the file.",
    "a fence at the end of an explanation": f"One would write:\n```json\n{OBJECT}\n```",
    "tags in a fence": f"The form is:\n```xml\n<tool_call>{OBJECT}</tool_call>\n```\nNothing more.",
    "tags in a line of code": f"The form is `<tool_call>{OBJECT}</tool_call>`\n",
    "tags in a sentence": f"The form <tool_call>{OBJECT}</tool_call> is what models write.",
    "tags in a thought": f"<think>Maybe <tool_call>{OBJECT}</tool_call>\n</think>\nIt says pear.",
    "code that is not only calls": '```tool_code\nimport os\nread_file(path="a.txt")\n```',
    "code whose argument is computed": '```tool_code\nread_file(path=open("x").read())\n```',
    "a marker and nothing": "<tool_call>",
    "a marker and prose": "[TOOL_CALLS] is Mistral's marker.",
    "only half of an element": "<function=read_file>\n<parameter=path>\na.t",
}


@pytest.mark.parametrize("text", NO_CALLS.values(), ids=NO_CALLS)
def test_what_only_looks_like_a_call_stays_text(text: str) -> None:
    found = recover(text, TOOLS)
    assert (found.text, found.calls) == (text, ())


@pytest.mark.parametrize("text", NO_CALLS.values(), ids=NO_CALLS)
def test_text_that_was_held_back_in_vain_is_shown_whole(text: str) -> None:
    sieve = Sieve()
    assert "".join(sieve.add(character) for character in text) + sieve.rest() == text


def test_nothing_is_recovered_without_tools() -> None:
    assert recover(FORMS["Hermes and Qwen"], ()).calls == ()


prose = st.text(st.sampled_from("ab {}[]<>`~|\n\t\"',:=/_.json")) | st.text()


@given(prose)
def test_text_without_markers_is_never_changed(text: str) -> None:
    assert recover(text, TOOLS).text == text
    assert recover(text, TOOLS).calls == ()


pieces = st.lists(st.sampled_from([*OPENINGS, *FORMS.values(), "```", "`", "\n", "<think>", "</think>", "a b ", "{"]))


@given(pieces, st.lists(st.integers(1, 40)))
def test_a_sieve_loses_and_doubles_nothing(parts: list[str], sizes: list[int]) -> None:
    text, sieve, shown, at = "".join(parts), Sieve(), "", 0
    for size in [*sizes, len(text) + 1]:
        shown += sieve.add(text[at : at + size])
        at += size
    assert shown + sieve.rest() == text


@given(pieces)
def test_recovery_ends_with_calls_of_offered_tools_only(parts: list[str]) -> None:
    found = recover("".join(parts), TOOLS)
    assert {call.name for call in found.calls} <= {tool.name for tool in TOOLS}
    assert len({call.id for call in found.calls}) == len(found.calls)


@pytest.mark.parametrize(
    "piece",
    [
        "<tool_call>",
        "<function=read_file>",
        "<parameter=a>",
        "[TOOL_CALLS]read_file{",
        "```tool_code\n",
        "`",
        " ",
        "\n \n",
        '{"name": ',
        "[",
        "<|channel|>commentary",
        "<｜tool▁call▁begin｜>",
        '{"name":"read_file","arguments":',
        "-",
        "(",
    ],
)
@pytest.mark.parametrize("head", ["", "```json\n", "<tool_call>", "<function=read_file>", "```tool_code\n"])
def test_hostile_text_costs_no_more_than_its_length(head: str, piece: str) -> None:
    text = head + piece * (400_000 // len(piece))
    started, sieve = time.process_time(), Sieve()
    for at in range(0, len(text), 40):
        sieve.add(text[at : at + 40])
    sieve.rest()
    recover(text, TOOLS)
    assert time.process_time() - started < 2
