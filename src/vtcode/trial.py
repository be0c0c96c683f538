"""A short trial of a model: how fast it is, whether it calls tools, whether it follows a schema."""

import contextlib
import time

import msgspec

from vtcode.messages import AssistantMessage, Finish, UserMessage
from vtcode.providers import (
    Completed,
    Note,
    Provider,
    ProviderError,
    ReasoningDelta,
    Request,
    TextDelta,
    ToolSpec,
)
from vtcode.schema import Answer, Schema
from vtcode.settings import Settings

MAX_TOKENS = 256
"""Of each reply."""

_TOOL = ToolSpec(
    "read_file",
    "Read a file of the workspace.",
    {
        "type": "object",
        "properties": {"path": {"type": "string"}},
        "required": ["path"],
        "additionalProperties": False,
    },
)
_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 40}, "is_capital": {"type": "boolean"}},
    "required": ["city", "is_capital"],
    "additionalProperties": False,
}


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    model: str
    reply: str
    """How the short reply began."""
    seconds_to_first_token: float
    tokens_per_second: float | None
    """None where the server counts no tokens, or sent them all at once."""
    prompt_tokens: int
    generated_tokens: int
    calls_tools: bool
    tools_note: str
    follows_schema: bool
    schema_note: str
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """Write it for a person."""
        speed = "unknown" if self.tokens_per_second is None else f"{self.tokens_per_second:.1f} tokens/s"
        return [
            f"first token        {self.seconds_to_first_token:.2f} s ({self.prompt_tokens} prompt tokens)",
            f"speed              {speed}",
            f"tool call          {'yes' if self.calls_tools else 'no'}: {self.tools_note}",
            f"structured output  {'yes' if self.follows_schema else 'no'}: {self.schema_note}",
            *(f"note               {note}" for note in self.notes),
        ]


class _Heard(msgspec.Struct):
    message: AssistantMessage
    first: float
    last: float
    notes: list[str]


async def try_model(provider: Provider, model: str, settings: Settings) -> Trial:
    """Ask for three short replies.

    Raises:
        ProviderError: when there is no reply at all; that tools or schemas do not work is a finding.
    """
    base = Request(
        model=model,
        system="Answer shortly.",
        messages=(UserMessage("Count from one to twenty in words."),),
        temperature=settings.temperature,
        max_tokens=MAX_TOKENS,
        reasoning_effort=settings.reasoning_effort,
        stall_timeout=settings.stall_timeout,
    )
    heard = await _hear(provider, base)
    calls_tools, tools_note = await _try_tools(provider, base)
    follows_schema, schema_note = await _try_schema(provider, base)
    usage, spent = heard.message.usage, heard.last - heard.first
    return Trial(
        model=model,
        reply=heard.message.text[:200],
        seconds_to_first_token=round(heard.first, 3),
        tokens_per_second=round((usage.generated - 1) / spent, 1) if usage.generated > 1 and spent > 0 else None,
        prompt_tokens=usage.prompt,
        generated_tokens=usage.generated,
        calls_tools=calls_tools,
        tools_note=tools_note,
        follows_schema=follows_schema,
        schema_note=schema_note,
        notes=tuple(heard.notes),
    )


async def _try_tools(provider: Provider, base: Request) -> tuple[bool, str]:
    asked = (UserMessage("Use the tool read_file to read notes.txt."),)
    try:
        heard = await _hear(provider, msgspec.structs.replace(base, messages=asked, tools=(_TOOL,)))
    except ProviderError as error:
        return False, str(error)
    for call in heard.message.calls:
        if call.name == _TOOL.name and isinstance(Schema(_TOOL.parameters).judge(call.arguments), Answer):
            return True, f"{call.name} {call.arguments[:80]}"
    if heard.message.calls:
        return False, f"it called {heard.message.calls[0].name} with arguments that do not fit"
    return False, "it answered in words"


async def _try_schema(provider: Provider, base: Request) -> tuple[bool, str]:
    asked = (UserMessage("Is Paris a capital? Reply as JSON with city and is_capital."),)
    try:
        heard = await _hear(provider, msgspec.structs.replace(base, messages=asked, schema=_SCHEMA))
    except ProviderError as error:
        return False, str(error)
    verdict = Schema(_SCHEMA).judge(heard.message.text)
    if isinstance(verdict, Answer):
        return True, verdict.text[:80]
    cut = "cut at its token limit, " if heard.message.finish is Finish.LENGTH else ""
    return False, f"{cut}{verdict}"


async def _hear(provider: Provider, request: Request) -> _Heard:
    started = time.monotonic()
    heard = _Heard(AssistantMessage(), 0.0, 0.0, [])
    async with contextlib.aclosing(provider.stream(request)) as deltas:
        async for delta in deltas:
            now = time.monotonic() - started
            match delta:
                case TextDelta() | ReasoningDelta():
                    heard.first = heard.first or now
                    heard.last = now
                case Note(text=text):
                    heard.notes.append(text)
                case Completed(message=message):
                    heard.message = message
                    heard.first, heard.last = heard.first or now, heard.last or now
                case _:
                    pass
    return heard
