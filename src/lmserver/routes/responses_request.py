"""A Responses request as a chat request, and what of it the response repeats."""

import logging
import time
from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from lmserver.engines import GenerationRequest
from lmserver.errors import ApiError, invalid, unsupported
from lmserver.routes.chat_request import generation
from lmserver.routes.responses_items import convert, messages, new_id
from lmwire import chat
from lmwire import responses as wire
from lmwire.errors import ErrorCode
from lmwire.response_items import Item, JsonObject

log = logging.getLogger("lmstudio")

# What llama.cpp uses when a request says nothing; a response has to tell the values that it was made with.
ENGINE_TEMPERATURE = 0.8
ENGINE_TOP_P = 0.95

LOGPROBS = "message.output_text.logprobs"

# About built-in tools, images and encryption, none of which there is here: asking for them gets nothing more.
_WITHOUT_EFFECT = frozenset(
    {
        "reasoning.encrypted_content",
        "web_search_call.action.sources",
        "web_search_call.results",
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
    }
)


def check(asked: wire.ResponsesRequest) -> None:
    """Refuse what cannot have its effect. Raises `ApiError` 400 that names the parameter."""
    if asked.background:
        raise unsupported("background", "Responses are made while the client waits; use `stream` to see them grow")
    if asked.conversation is not None:
        raise unsupported("conversation", "Conversations are not kept; go on from `previous_response_id`")
    if asked.prompt is not None:
        raise unsupported("prompt", "Prompt templates are not kept; send `instructions` and `input`")
    if asked.truncation == "auto":
        raise unsupported("truncation", "Nothing is left out of a conversation here; shorten it, or say `disabled`")
    for index, name in enumerate(asked.include or []):
        if name != LOGPROBS and name not in _WITHOUT_EFFECT:
            known = ", ".join(sorted({LOGPROBS, *_WITHOUT_EFFECT}))
            raise invalid(f"include[{index}]", f"{name[:80]!r} is not known; known are {known}")


# Request → engine ---------------------------------------------------------------------------------------


class Plan(msgspec.Struct, frozen=True):
    """What a request asks for, beside the conversation."""

    tools: list[wire.FunctionTool]
    tool_choice: wire.ToolChoice


def read_tools(asked: wire.ResponsesRequest) -> Plan:
    """Read tools and the choice among them. Raises `ApiError` 400 that names what is wrong."""
    tools: list[wire.FunctionTool] = []
    left_out: list[str] = []
    for index, raw in enumerate(asked.tools or []):
        kind = raw.get("type")
        if not isinstance(kind, str):
            raise invalid(f"tools[{index}].type", "a tool needs a type: `function`")
        if kind != "function":
            left_out.append(kind)
            continue
        given = convert(raw, wire.FunctionToolParam, f"tools[{index}]")
        tools.append(
            wire.FunctionTool(
                name=given.name, description=given.description, parameters=given.parameters, strict=given.strict
            )
        )
    if left_out:
        names = ", ".join(repr(kind[:40]) for kind in left_out[:20])
        log.info("tools that are not functions are left out: %s", names)
    return Plan(tools, _tool_choice(asked.tool_choice, tools))


def _tool_choice(given: wire.ToolMode | JsonObject | None, tools: Sequence[wire.FunctionTool]) -> wire.ToolChoice:
    if not isinstance(given, dict):
        return given or "auto"
    match given.get("type"):
        case "function":
            wanted = [convert(given, wire.FunctionChoice, "tool_choice")]
            choice = wanted[0]
        case "allowed_tools":
            choice = convert(given, wire.AllowedTools, "tool_choice")
            wanted = choice.tools
        case other:
            shown = repr(other)[:80]
            raise invalid("tool_choice.type", f"only functions can be chosen here, not {shown}")
    offered = [tool.name for tool in tools]
    for function in wanted:
        if function.name not in offered:
            raise invalid("tool_choice", f"no tool is named {function.name[:80]!r}; offered: {', '.join(offered)}")
    return choice


def work_of(
    asked: wire.ResponsesRequest, plan: Plan, conversation: Sequence[Item], output_limit: int
) -> GenerationRequest:
    """Translate a request for an engine.

    Args:
        conversation: every item, from the first on.
        output_limit: tokens of a reply to a request that sets no limit.

    Raises:
        ApiError: 400 for what cannot have its effect, under the name that the parameter has here.
    """
    try:
        return generation(_chat_request(asked, plan, conversation), output_limit)
    except ApiError as error:
        raise renamed(error) from error


def _chat_request(asked: wire.ResponsesRequest, plan: Plan, conversation: Sequence[Item]) -> chat.ChatRequest:
    choice = plan.tool_choice
    offered = plan.tools
    mode: chat.ToolChoice
    match choice:
        case wire.FunctionChoice(name=name):
            mode = chat.NamedToolChoice("function", chat.NamedFunction(name))
        case wire.AllowedTools():
            allowed = {function.name for function in choice.tools}
            offered = [tool for tool in offered if tool.name in allowed]
            mode = choice.mode
        case "none" | "auto" | "required":
            mode = choice
    wants_logprobs = LOGPROBS in (asked.include or [])
    return chat.ChatRequest(
        model=asked.model,
        messages=messages(asked.instructions, conversation),
        max_tokens=asked.max_output_tokens,
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=asked.top_k,
        min_p=asked.min_p,
        repeat_penalty=asked.repeat_penalty,
        presence_penalty=asked.presence_penalty,
        frequency_penalty=asked.frequency_penalty,
        seed=asked.seed,
        tools=[_tool(tool) for tool in offered] or None,
        tool_choice=mode if offered or mode != "auto" else None,
        parallel_tool_calls=asked.parallel_tool_calls,
        response_format=_format(asked.text),
        reasoning_effort=asked.reasoning.effort if asked.reasoning else None,
        logprobs=True if wants_logprobs else None,
        top_logprobs=asked.top_logprobs if wants_logprobs else None,
    )


def _tool(tool: wire.FunctionTool) -> chat.Tool:
    function = chat.FunctionDefinition(tool.name, tool.description, tool.parameters, tool.strict)
    return chat.Tool("function", function)


def _format(text: wire.TextParam | None) -> chat.ResponseFormat | None:
    match text.format if text else None:
        case None | wire.TextFormat():
            return None
        case wire.JsonObjectFormat():
            return chat.JsonObjectFormat()
        case wire.JsonSchemaFormat() as wanted:
            return chat.JsonSchemaFormat(
                chat.JsonSchema(wanted.name, wanted.schema, wanted.description, wanted.strict)
            )


_NAMES = (
    ("response_format.json_schema", "text.format"),
    ("response_format", "text.format"),
    ("reasoning_effort", "reasoning.effort"),
    ("max_completion_tokens", "max_output_tokens"),
    ("max_tokens", "max_output_tokens"),
    ("top_logprobs", "include"),
    ("logprobs", "include"),
    ("messages", "input"),
)


def renamed(error: ApiError) -> ApiError:
    """Give an error that was found in a chat request the names of this API."""
    body = error.body
    if body.param is None:
        return error
    param = body.param.replace(".function.", ".") if body.param.startswith("tools[") else body.param
    for theirs, ours in _NAMES:
        if param.startswith(theirs):
            param = "input" if ours == "input" else ours + param.removeprefix(theirs)
            break
    fixed = ApiError(
        error.status,
        body.message.replace(body.param, param),
        code=ErrorCode(body.code or ErrorCode.INVALID_VALUE),
        param=param,
        kind=body.type,
    )
    return fixed


# Request → response -------------------------------------------------------------------------------------


def begun(asked: wire.ResponsesRequest, plan: Plan) -> wire.Response:
    """Make the response as it is before the model has said anything."""
    text = asked.text or wire.TextParam()
    return wire.Response(
        id=new_id("resp"),
        created_at=int(time.time()),
        instructions=asked.instructions,
        max_output_tokens=asked.max_output_tokens,
        max_tool_calls=asked.max_tool_calls,
        model=asked.model,
        parallel_tool_calls=asked.parallel_tool_calls is not False,
        previous_response_id=asked.previous_response_id,
        prompt_cache_key=asked.prompt_cache_key,
        reasoning=asked.reasoning or wire.ReasoningOptions(),
        safety_identifier=asked.safety_identifier,
        store=asked.store is not False,
        temperature=ENGINE_TEMPERATURE if asked.temperature is None else asked.temperature,
        text=wire.Text(text.format or wire.TextFormat(), text.verbosity or UNSET),
        tool_choice=plan.tool_choice,
        tools=plan.tools,
        top_logprobs=asked.top_logprobs or 0,
        top_p=ENGINE_TOP_P if asked.top_p is None else asked.top_p,
        presence_penalty=asked.presence_penalty or 0.0,
        frequency_penalty=asked.frequency_penalty or 0.0,
        user=asked.user,
        metadata=asked.metadata or {},
    )
