"""The real engine under chat templates of other model families."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from lmserver.engines import (
    CallPiece,
    Finished,
    ForcedCall,
    GenerationRequest,
    JsonReply,
    Piece,
    ReasoningPiece,
    Sampling,
    TextPiece,
)
from lmserver.engines.llama import LlamaEngine
from lmwire.chat import FunctionDefinition

# Shapes of real templates, shortened: Gemma 2 refuses a system message and wants strict turns, Llama 3 has headers,
# Qwen 2.5 brings its own tools.
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}"
    "{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)
LLAMA = (
    "{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + "
    "message['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
QWEN = (
    "{%- if tools %}{{- '<|im_start|>system\nTools:\n' }}{%- for tool in tools %}{{- tool | tojson }}{%- endfor %}"
    '{{- \'\nAnswer with <tool_call>\n{"name": ..., "arguments": ...}\n</tool_call><|im_end|>\n\' }}{%- endif %}'
    "{%- for message in messages %}{%- if message.role == 'assistant' and message.tool_calls %}"
    "{{- '<|im_start|>assistant' }}{%- for tool_call in message.tool_calls %}{{- '\n<tool_call>\n{\"name\": \"' "
    '+ tool_call.function.name + \'", "arguments": \' + (tool_call.function.arguments | tojson) + '
    "'}\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\n' }}{%- elif message.role == 'tool' %}"
    "{{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}{%- else %}"
    "{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
# As Qwen 3's: the model may think first, and is kept from it by an empty thought.
THINKING = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' }}{%- if message.role == 'assistant' and "
    "message.reasoning_content %}{{- '<think>\n' + message.reasoning_content.strip('\n') + '\n</think>\n\n' }}"
    "{%- endif %}{{- message.content + '<|im_end|>\n' }}{%- endfor %}{%- if add_generation_prompt %}"
    "{{- '<|im_start|>assistant\n' }}{%- if enable_thinking is defined and enable_thinking is false %}"
    "{{- '<think>\n\n</think>\n\n' }}{%- endif %}{%- endif %}"
)
# As DeepSeek R1's: the prompt opens the thought.
ALWAYS_THINKING = THINKING.replace(
    "{%- endif %}{%- endif %}", "{%- else %}{{- '<think>\n' }}{%- endif %}{%- endif %}"
)
READ = FunctionDefinition(
    "read_file", "Read a file.", {"type": "object", "properties": {"path": {"enum": ["a.txt"]}}, "required": ["path"]}
)
TOOL = {"type": "function", "function": {"name": READ.name, "description": "Read.", "parameters": READ.parameters}}
CALL = {"id": "c1", "type": "function", "function": {"name": "read_file", "arguments": '{"path": "a.txt"}'}}
CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What does a.txt say?"},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "pear"},
]


def run(models: Path, template: str, *requests: GenerationRequest) -> list[list[Piece]]:
    async def all_of_them() -> list[list[Piece]]:
        path = next(models.glob("*/*/*.gguf"))
        engine = await LlamaEngine.load(path, template, context_length=2048, parallel=1, threads=1)
        try:
            return [[piece async for piece in engine.generate(request)] for request in requests]
        finally:
            await engine.close()

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("template", [GEMMA, LLAMA, QWEN, ""], ids=["gemma", "llama", "qwen", "none"])
def test_a_forced_call_is_valid_and_a_tool_conversation_goes_on(models: Path, template: str) -> None:
    base = GenerationRequest(messages=CONVERSATION[:2], tools=[TOOL], sampling=Sampling(temperature=0), max_tokens=64)
    forced = msgspec.structs.replace(base, constraint=ForcedCall((READ,)))
    answer = msgspec.structs.replace(base, messages=CONVERSATION, max_tokens=4)

    called, answered = run(models, template, forced, answer)

    first, second, end = called[-3:]
    assert isinstance(first, CallPiece) and first.name == "read_file" and first.id
    assert isinstance(second, CallPiece) and msgspec.json.decode(second.arguments) == {"path": "a.txt"}
    assert isinstance(end, Finished) and end.reason == "tool_calls"
    assert isinstance(answered[-1], Finished)
    # The second prompt begins with the first, call included, so most of it was in the cache.
    details = answered[-1].usage.prompt_tokens_details
    assert details is not None and details.cached_tokens >= end.usage.prompt_tokens - 2


def test_a_call_of_the_models_own_is_parsed_unless_calls_are_not_wanted(models: Path) -> None:
    # Even a model that knows no tools repeats what it did four times.
    ask = {"role": "user", "content": "Call read_file."}
    again = [*[ask, {"role": "assistant", "content": "", "tool_calls": [CALL]}] * 4, ask]
    base = GenerationRequest(messages=again, tools=[TOOL], sampling=Sampling(temperature=0), max_tokens=60)

    called, said = run(models, "", base, msgspec.structs.replace(base, may_call=False))

    pieces = [piece for piece in called if isinstance(piece, CallPiece)]
    assert pieces[0].name == "read_file"
    assert msgspec.json.decode("".join(piece.arguments for piece in pieces)) == {"path": "a.txt"}
    assert len(pieces) > 3, "arguments come piece by piece"
    assert not any(isinstance(piece, CallPiece) for piece in said)
    ends = [pieces[-1] for pieces in (called, said)]
    assert next(end.reason for end in ends if isinstance(end, Finished)) == "tool_calls"
    assert len({end.usage.prompt_tokens for end in ends if isinstance(end, Finished)}) == 1, "one prompt for both"


def test_a_call_that_the_limit_cuts_says_length(models: Path) -> None:
    request = GenerationRequest(
        messages=CONVERSATION[:2],
        tools=[TOOL],
        constraint=ForcedCall((READ,)),
        sampling=Sampling(temperature=0),
        max_tokens=3,
    )
    (pieces,) = run(models, "", request)
    assert isinstance(pieces[-1], Finished) and pieces[-1].reason == "length"
    assert not any(isinstance(piece, CallPiece) for piece in pieces)


def texts(pieces: list[Piece]) -> tuple[str, str]:
    reasoning = "".join(piece.text for piece in pieces if isinstance(piece, ReasoningPiece))
    return reasoning, "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))


@pytest.mark.parametrize("template", [THINKING, ALWAYS_THINKING], ids=["may think", "thinks"])
def test_the_schema_holds_only_once_reasoning_has_ended(models: Path, template: str) -> None:
    fruit = {"type": "object", "properties": {"fruit": {"enum": ["pear"]}}, "required": ["fruit"]}
    ask = {"role": "user", "content": "Which fruit?"}
    # This model does not think by itself, but it repeats what it did four times.
    thought = {"role": "assistant", "reasoning_content": "It is a {pear}.", "content": '{"fruit": "pear"}'}
    base = GenerationRequest(
        messages=[*[ask, thought] * 4, ask],
        constraint=JsonReply(fruit | {"additionalProperties": False}),
        sampling=Sampling(temperature=0),
        max_tokens=120,
        template_arguments={"enable_thinking": True},
    )
    forced = msgspec.structs.replace(base, constraint=ForcedCall((READ,)), tools=[TOOL])
    silent = msgspec.structs.replace(base, template_arguments={"enable_thinking": False})

    free = msgspec.structs.replace(base, constraint=None, template_arguments={})
    replies = run(models, template, base, forced, silent, free)

    thoughts, answers = zip(*map(texts, replies), strict=True)
    assert [bool(thought.strip()) for thought in thoughts] == [True, True, False, True]
    assert not any("think>" in text for text in thoughts + answers)
    assert answers[0] == answers[2] == '{"fruit": "pear"}'
    assert answers[3].startswith('{"fruit": ')
    assert next(piece.name for piece in replies[1] if isinstance(piece, CallPiece)) == "read_file"
    ends = [pieces[-1] for pieces in replies]
    assert [end.reason for end in ends if isinstance(end, Finished)] == ["stop", "tool_calls", "stop", "stop"]
    for end, thought in zip(ends, thoughts, strict=True):
        assert isinstance(end, Finished) and end.usage.completion_tokens_details is not None
        assert bool(end.usage.completion_tokens_details.reasoning_tokens) == bool(thought)
