"""Completions without a chat template, with the real default model."""

import json
from typing import Any

import httpx2
import openai
import pytest
from openai.types import Completion

from tests.conftest import MODEL
from tests.support.processes import RunningServer

PROMPT = "The capital of France is"


def post(server: RunningServer, **members: object) -> httpx2.Response:
    return httpx2.post(f"{server.url}/completions", json={"model": MODEL, "prompt": PROMPT} | members, timeout=60)


def test_streamed_text_is_what_the_whole_answer_says(client: openai.OpenAI) -> None:
    arguments: Any = {"model": MODEL, "prompt": PROMPT, "temperature": 0, "seed": 1, "max_tokens": 8}
    whole = client.completions.create(**arguments)
    chunks = list(client.completions.create(**arguments, stream=True, stream_options={"include_usage": True}))

    assert whole.id.startswith("cmpl-") and whole.object == "text_completion"
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert whole.choices[0].text.startswith(" Paris")
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    assert whole.usage is not None and chunks[-1].usage is not None
    assert whole.usage.completion_tokens == chunks[-1].usage.completion_tokens == 8
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + 8


def test_the_body_has_the_published_shape_and_sixteen_tokens(real_server: RunningServer) -> None:
    answer = post(real_server, temperature=0)
    body = Completion.model_validate(answer.json(), strict=True)
    assert body.usage is not None and body.usage.completion_tokens <= 16
    assert "logprobs" in answer.json()["choices"][0]


def test_token_ids_are_the_text_that_they_stand_for(client: openai.OpenAI) -> None:
    # "Hello" and " world" in this model's vocabulary.
    ids = client.completions.create(model=MODEL, prompt=[19556, 905], temperature=0, max_tokens=3, echo=True)
    text = client.completions.create(model=MODEL, prompt="Hello world", temperature=0, max_tokens=3, echo=True)
    assert ids.choices[0].text == text.choices[0].text
    assert text.choices[0].text.startswith("Hello world")
    assert ids.usage is not None and ids.usage.prompt_tokens == 2


def test_each_prompt_has_its_choices_in_order(client: openai.OpenAI) -> None:
    reply = client.completions.create(
        model=MODEL, prompt=["One two", "Red green"], n=2, echo=True, max_tokens=2, seed=4, temperature=0
    )
    starts = ["One two", "One two", "Red green", "Red green"]
    assert [choice.index for choice in reply.choices] == [0, 1, 2, 3]
    assert all(choice.text.startswith(start) for choice, start in zip(reply.choices, starts, strict=True))
    single = client.completions.create(model=MODEL, prompt="One two", max_tokens=2, temperature=0)
    assert reply.usage is not None and single.usage is not None
    assert reply.usage.completion_tokens == 8
    assert reply.usage.prompt_tokens == 2 * single.usage.prompt_tokens


@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_cover_the_text(real_server: RunningServer, stream: bool) -> None:
    answer = post(real_server, temperature=0, max_tokens=5, logprobs=2, stream=stream)
    if stream:
        lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
        choices = [json.loads(line)["choices"][0] for line in lines]
    else:
        choices = answer.json()["choices"]
    text = "".join(choice["text"] for choice in choices)
    given = [choice["logprobs"] for choice in choices if choice["logprobs"]]
    tokens = [token for each in given for token in each["tokens"]]
    offsets = [offset for each in given for offset in each["text_offset"]]
    tops = [top for each in given for top in each["top_logprobs"]]
    assert "".join(tokens) == text
    assert [text[at:].startswith(token) for at, token in zip(offsets, tokens, strict=True)] == [True] * len(tokens)
    assert all(len(top) == 2 for top in tops)
    assert all(logprob <= 0 for each in given for logprob in each["token_logprobs"])


def test_stop_ends_the_text_and_is_left_out(client: openai.OpenAI) -> None:
    reply = client.completions.create(model=MODEL, prompt=PROMPT, temperature=0, max_tokens=20, stop=["."])
    assert reply.choices[0].finish_reason == "stop"
    assert "." not in reply.choices[0].text


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", ""]}, "prompt[1]"),
        ({"prompt": [1, "a"]}, "prompt"),
        ({"prompt": [-1]}, "prompt"),
        ({"prompt": [10_000_000]}, "prompt"),
        ({"prompt": {"text": "a"}}, "prompt"),
        ({"prompt": ["a"] * 17}, "prompt"),
        ({"prompt": ["a"] * 3, "n": 8}, "prompt"),
        ({"n": 9}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"suffix": "x"}, "suffix"),
        ({"best_of": 4}, "best_of"),
        ({"logprobs": 6}, "logprobs"),
        ({"logprobs": 1, "echo": True}, "echo"),
        ({"logit_bias": {"49152": 1}}, "logit_bias"),
        ({"stop": [""]}, "stop"),
    ],
)
def test_what_has_no_meaning_is_a_400_that_names_it(
    real_server: RunningServer, members: dict[str, object], param: str
) -> None:
    answer = post(real_server, **members)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize("prompt", ["word " * 9_000, "word " * 2_000_000, [905] * 9_000])
def test_a_prompt_beyond_the_context_says_so(real_server: RunningServer, prompt: object) -> None:
    answer = post(real_server, prompt=prompt)
    assert answer.status_code == 400
    assert answer.json()["error"] | {"message": ""} == {
        "message": "",
        "type": "invalid_request_error",
        "param": "prompt",
        "code": "context_length_exceeded",
    }
