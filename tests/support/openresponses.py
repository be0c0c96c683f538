"""What the Open Responses specification requires to be present, null or not, and the SDK's types to be valid."""

import json
from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_item_list import ResponseItemList
from pydantic import TypeAdapter

RESPONSE = frozenset(
    """id object created_at completed_at status incomplete_details model previous_response_id instructions output
    error tools tool_choice truncation parallel_tool_calls text top_p presence_penalty frequency_penalty top_logprobs
    temperature reasoning user usage max_output_tokens max_tool_calls store background service_tier metadata
    safety_identifier prompt_cache_key""".split()
)

USAGE = frozenset("input_tokens output_tokens total_tokens input_tokens_details output_tokens_details".split())

REQUIRED: dict[str, str] = {
    "message": "type id status role content",
    "function_call": "type id call_id name arguments status",
    "function_call_output": "type id call_id output status",
    "reasoning": "type id summary",
    "input_text": "type text",
    "input_image": "type image_url detail",
    "output_text": "type text annotations",
    "reasoning_text": "type text",
    "refusal": "type refusal",
    "response.created": "type sequence_number response",
    "response.in_progress": "type sequence_number response",
    "response.completed": "type sequence_number response",
    "response.incomplete": "type sequence_number response",
    "response.failed": "type sequence_number response",
    "response.output_item.added": "type sequence_number output_index item",
    "response.output_item.done": "type sequence_number output_index item",
    "response.content_part.added": "type sequence_number item_id output_index content_index part",
    "response.content_part.done": "type sequence_number item_id output_index content_index part",
    "response.output_text.delta": "type sequence_number item_id output_index content_index delta logprobs",
    "response.output_text.done": "type sequence_number item_id output_index content_index text logprobs",
    "response.reasoning_text.delta": "type sequence_number item_id output_index content_index delta",
    "response.reasoning_text.done": "type sequence_number item_id output_index content_index text",
    "response.function_call_arguments.delta": "type sequence_number item_id output_index delta",
    "response.function_call_arguments.done": "type sequence_number item_id output_index arguments",
}

_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def check_response(text: str | bytes) -> dict[str, Any]:
    """Validate the body of a response strictly, and give it."""
    Response.model_validate_json(text, strict=True)
    return _check_required(json.loads(text))


def check_items(text: str | bytes) -> dict[str, Any]:
    """Validate a list of input items strictly, and give it."""
    ResponseItemList.model_validate_json(text, strict=True)
    return _check_required(json.loads(text))


def check_stream(text: str) -> list[dict[str, Any]]:
    """Validate every event of a stream strictly, and that they agree with each other; give them."""
    frames = [frame for frame in text.split("\n\n") if frame and not frame.startswith(":")]
    assert frames.pop() == "data: [DONE]"
    events: list[dict[str, Any]] = []
    for frame in frames:
        name, data = frame.split("\n")
        event = _check_required(json.loads(data.removeprefix("data: ")))
        validated = _EVENT.validate_json(data.removeprefix("data: "), strict=True)
        # A union of models takes the first that fits: it has to be the one of that name.
        assert type(validated).model_fields["type"].annotation.__args__ == (event["type"],)
        assert name == f"event: {event['type']}"
        events.append(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    _check_deltas(events)
    return events


def _check_deltas(events: list[dict[str, Any]]) -> None:
    written: dict[str, str] = {}
    done: dict[int, Any] = {}
    for event in events:
        match event["type"].split("."):
            case ["response", _, "delta"]:
                written[event["item_id"]] = written.get(event["item_id"], "") + event["delta"]
            case ["response", "function_call_arguments", "done"]:
                assert event["arguments"] == written.get(event["item_id"], "")
            case ["response", "output_text" | "reasoning_text", "done"]:
                assert event["text"] == written.get(event["item_id"], "")
            case ["response", "content_part", "done"]:
                assert event["part"]["text"] == written.get(event["item_id"], "")
            case ["response", "output_item", "added"]:
                assert event["output_index"] == len(done)
            case ["response", "output_item", "done"]:
                done[event["output_index"]] = event["item"]
            case _:
                pass
    assert events[-1]["response"]["output"] == list(done.values())


def _check_required(value: Any) -> Any:
    match value:
        case {"object": "response", **rest} if "deleted" not in rest:
            assert value.keys() >= RESPONSE, RESPONSE - value.keys()
            assert value["usage"] is None or value["usage"].keys() >= USAGE
            assert value["reasoning"].keys() >= {"effort", "summary"}
            for tool in value["tools"]:
                assert tool.keys() >= {"type", "name", "description", "parameters", "strict"}
        case {"type": str(kind), **rest} if kind in REQUIRED and "parameters" not in rest:
            missing = set(REQUIRED[kind].split()) - value.keys()
            assert not missing, f"{kind}: {missing}"
        case _:
            pass
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for member in members:
        _check_required(member)
    return value
