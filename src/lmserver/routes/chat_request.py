"""A Chat Completions request → what an engine is asked, or a refusal that names the parameter."""

from urllib.parse import quote

import msgspec

from lmserver import calls, schema
from lmserver.engines import Constraint, ForcedCall, GenerationRequest, JsonObject, JsonReply
from lmserver.errors import ApiError, invalid, unsupported
from lmserver.routes.asked import log, refuse_unsupported, sampling_of
from lmwire import chat
from lmwire.errors import ErrorCode

CHECKED_AFTER = "x-schema-checked-after"
"""The header that names the keywords which no grammar enforces: the finished reply is held to them."""

_EFFORTS = {"none": "none", "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high"}
"""What OpenAI documents → what chat templates know."""


def generation(asked: chat.ChatRequest, output_limit: int) -> GenerationRequest:
    """Translate a request for an engine.

    Args:
        asked: the request; `n` is not looked at.
        output_limit: tokens of a reply to a request that sets no limit.

    Raises:
        ApiError: 400 for what cannot have its effect, naming the parameter.
    """
    _refuse(asked)
    is_forced = isinstance(asked.tool_choice, chat.NamedToolChoice) or asked.tool_choice == "required"
    # A call beside JSON stands under the same grammar as a forced one.
    has_json = not isinstance(asked.response_format, chat.TextFormat | None) and asked.tool_choice != "none"
    functions, checked_after = _functions(asked.tools or [], is_promised=is_forced or has_json)
    constraint = _constraint(asked, functions, checked_after)
    may_call = bool(functions) and asked.tool_choice != "none"
    sampling = sampling_of(asked)
    if sampling.stop and constraint is not None:
        raise unsupported("stop", "a reply that must be JSON or a call ends where its grammar ends; leave it out")
    if asked.logprobs and may_call:
        raise unsupported("logprobs", "beside tools that may be called there are none; set tool_choice to none")
    asked_for = asked.max_completion_tokens or asked.max_tokens
    return GenerationRequest(
        messages=[_message(message, f"messages[{index}]") for index, message in enumerate(asked.messages)],
        tools=[calls.as_tool(function) for function in functions],
        may_call=asked.tool_choice != "none",
        parallel_calls=asked.parallel_tool_calls is not False,
        constraint=constraint,
        sampling=sampling,
        max_tokens=asked_for if asked_for and asked_for > 0 else output_limit,
        template_arguments=_thinking(asked),
        top_logprobs=(asked.top_logprobs or 0) if asked.logprobs else None,
    )


def _refuse(asked: chat.ChatRequest) -> None:
    """Refuse what a sender might believe in, and what would be left without effect."""
    refuse_unsupported(asked)
    if asked.max_tokens == 0:
        raise invalid("max_tokens", "expected at least 1; leave it out for this server's own limit")
    if asked.top_logprobs is not None and not asked.logprobs:
        raise invalid("top_logprobs", "needs logprobs to be true")
    if asked.service_tier not in {None, "auto", "default"}:
        raise unsupported("service_tier", "there is one tier here: auto or default")
    if asked.verbosity not in {None, "medium"}:
        raise unsupported("verbosity", "this model has no such setting; say it in a message")
    if asked.modalities is not None and asked.modalities != ["text"]:
        raise unsupported("modalities", 'models here write text alone; send ["text"] or leave it out')
    if asked.audio is not None:
        raise unsupported("audio", "models here write text alone")
    if asked.web_search_options is not None:
        raise unsupported("web_search_options", "this server searches nothing; offer a function in tools")
    if asked.functions is not None:
        raise unsupported("functions", "this old form is not taken; use tools")
    if asked.function_call is not None:
        raise unsupported("function_call", "this old form is not taken; use tool_choice")
    if asked.chat_template is not None:
        raise unsupported("chat_template", "a request cannot bring its own; the model's is used")
    if asked.store:
        log.info("store: chat completions are not stored here; the request is answered without")


def _thinking(asked: chat.ChatRequest) -> JsonObject:
    """Translate the effort into the variables that chat templates of thinking models look at."""
    given = asked.chat_template_kwargs or chat.TemplateArguments()
    efforts = {
        "reasoning_effort": asked.reasoning_effort,
        "chat_template_kwargs.reasoning_effort": given.reasoning_effort,
    }
    variables: JsonObject = {}
    for param, effort in efforts.items():
        if effort is None:
            continue
        if effort not in _EFFORTS:
            raise invalid(param, f"expected one of {', '.join(_EFFORTS)}")
        variables |= {"enable_thinking": effort != "none"}
        if effort != "none":
            variables["reasoning_effort"] = _EFFORTS[effort]
    if given.enable_thinking is not None:
        variables["enable_thinking"] = given.enable_thinking
    return variables


def checked_after(work: GenerationRequest) -> dict[str, str]:
    """Give the header that tells what of a promise no grammar enforces, if there is anything."""
    if work.constraint is None or not work.constraint.checked_after:
        return {}
    # Pointers hold whatever names the client's schema has.
    return {CHECKED_AFTER: ", ".join(quote(each, safe=" #/$") for each in work.constraint.checked_after)[:4096]}


# Tools and constraints ----------------------------------------------------------------------------------


def _functions(tools: list[chat.Tool], *, is_promised: bool) -> tuple[list[chat.FunctionDefinition], tuple[str, ...]]:
    """Give the functions among the tools, and what of their parameters is checked after the call."""
    functions: list[chat.FunctionDefinition] = []
    after: list[str] = []
    for index, tool in enumerate(tools):
        if tool.type != "function":
            log.info("tools[%d]: a tool of the type %.40r is left out; only functions are known", index, tool.type)
            continue
        if tool.function is None:
            raise invalid(f"tools[{index}].function", "a tool of the type function needs one")
        functions.append(tool.function)
        where = f"tools[{index}].function.parameters"
        parameters = calls.parameters_of(tool.function)
        is_strict = bool(tool.function.strict)
        late = schema.check(parameters, where, is_promised=is_promised, is_strict=is_strict)
        after += [f"{each} of {tool.function.name}" for each in late]
    return functions, tuple(after)


def _constraint(
    asked: chat.ChatRequest, functions: list[chat.FunctionDefinition], checked_after: tuple[str, ...]
) -> Constraint:
    match asked.tool_choice:
        case "required":
            if not functions:
                raise invalid("tool_choice", "`required` needs at least one function in tools")
            return ForcedCall(tuple(functions), checked_after)
        case chat.NamedToolChoice(function=wanted):
            named = [function for function in functions if function.name == wanted.name]
            if not named:
                names = ", ".join(function.name for function in functions) or "none"
                raise invalid("tool_choice", f"no tool is named {wanted.name!r}; offered: {names}")
            mine = tuple(each for each in checked_after if each.endswith(f" of {wanted.name}"))
            return ForcedCall((named[0],), mine)
        case "none" | "auto" | None:
            pass
    where = "response_format.json_schema.schema"
    match asked.response_format:
        case chat.JsonObjectFormat():
            wanted, after = {"type": "object"}, ()
        case chat.JsonSchemaFormat(json_schema=described):
            if described.schema is None:
                raise invalid(where, "a JSON Schema is needed")
            is_strict = described.strict is True or str(described.strict).lower() == "true"
            wanted = described.schema
            after = schema.check(wanted, where, is_promised=True, is_strict=is_strict)
        case chat.TextFormat() | None:
            return None
    if asked.tool_choice == "none":
        return JsonReply(wanted, (), after)
    return JsonReply(wanted, tuple(functions), after + checked_after)


# Messages -----------------------------------------------------------------------------------------------


def _message(message: chat.Message, where: str) -> JsonObject:
    content = _content(message.content, f"{where}.content")
    match message:
        case chat.SystemMessage() | chat.DeveloperMessage():
            return {"role": "system", "content": content}
        case chat.UserMessage():
            return {"role": "user", "content": content}
        case chat.ToolMessage():
            return {"role": "tool", "tool_call_id": message.tool_call_id, "content": content}
        case chat.AssistantMessage():
            if message.function_call is not None:
                raise unsupported(f"{where}.function_call", "this old form is not taken; use tool_calls")
            plain: JsonObject = {"role": "assistant", "content": content or message.refusal or ""}
            if message.reasoning_content:
                plain["reasoning_content"] = message.reasoning_content
            if message.tool_calls:
                plain["tool_calls"] = [_call(call) for call in message.tool_calls]
            return plain


def _content(content: chat.Content, where: str) -> str:
    """Join text to one string, which every template takes."""
    if content is None or isinstance(content, str):
        return content or ""
    texts: list[str] = []
    for index, part in enumerate(content):
        match part:
            case chat.TextPart(text=text) | chat.RefusalPart(refusal=text):
                texts.append(text)
            case chat.ImagePart(image_url=image):
                raise _cannot_see(f"{where}[{index}].image_url", image.url)
    return "\n".join(texts)


def _cannot_see(where: str, url: str) -> ApiError:
    why = "this model cannot see; describe the image in words"
    if not url.startswith("data:"):
        why = "this server fetches nothing, and " + why
    return ApiError(400, f"{where}: {why}.", code=ErrorCode.UNSUPPORTED_MODEL, param=where)


def _call(call: chat.ToolCall) -> JsonObject:
    """Give a call with arguments that are surely a JSON object: templates fail on anything else."""
    try:
        msgspec.json.decode(call.function.arguments, type=JsonObject)
        arguments = call.function.arguments
    except msgspec.MsgspecError:
        arguments = msgspec.json.encode({"malformed": call.function.arguments}).decode()
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.function.name, "arguments": arguments},
    }
