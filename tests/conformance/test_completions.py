"""Every parameter of Completions, the text endpoint without a chat template."""

from typing import Any

import openai
import pytest

from tests.conformance.conftest import GREEDY
from tests.conformance.strict import Recorder

PROMPT = "a b c d e f"


def test_a_text_is_continued(client: openai.OpenAI) -> None:
    reply = client.completions.create(**GREEDY, prompt=PROMPT, max_tokens=6)
    (choice,) = reply.choices
    assert "g" in choice.text and choice.finish_reason == "length" and choice.index == 0
    assert reply.usage and reply.usage.completion_tokens == 6
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + 6


def test_the_stream_says_the_same(client: openai.OpenAI) -> None:
    whole = client.completions.create(**GREEDY, prompt=PROMPT, max_tokens=8)
    chunks = list(
        client.completions.create(
            **GREEDY, prompt=PROMPT, max_tokens=8, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == whole.choices[0].text
    assert chunks[-1].usage and whole.usage
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_a_list_of_prompts_gives_choices_in_their_order(client: openai.OpenAI) -> None:
    prompts = [PROMPT, "Monday Tuesday Wednesday"]
    both = client.completions.create(**GREEDY, prompt=prompts, max_tokens=4)
    alone = [client.completions.create(**GREEDY, prompt=prompt, max_tokens=4) for prompt in prompts]
    assert [choice.index for choice in both.choices] == [0, 1]
    assert [choice.text for choice in both.choices] == [reply.choices[0].text for reply in alone]
    assert both.usage and both.usage.prompt_tokens == sum(r.usage.prompt_tokens for r in alone if r.usage)


def test_token_ids_mean_the_same_as_their_text(client: openai.OpenAI, vocabulary: dict[str, int]) -> None:
    ids = [vocabulary[token] for token in ("a", " b", " c", " d", " e", " f")]
    text = client.completions.create(**GREEDY, prompt=PROMPT, max_tokens=4).choices[0].text
    assert client.completions.create(**GREEDY, prompt=ids, max_tokens=4).choices[0].text == text
    lists = client.completions.create(**GREEDY, prompt=[ids, ids], max_tokens=4)
    assert [choice.text for choice in lists.choices] == [text, text]


def test_stop_ends_the_text(client: openai.OpenAI) -> None:
    choice = client.completions.create(**GREEDY, prompt=PROMPT, max_tokens=12, stop=[" i"]).choices[0]
    assert "g" in choice.text and " i" not in choice.text and choice.finish_reason == "stop"


def test_n_gives_that_many(client: openai.OpenAI) -> None:
    reply = client.completions.create(**(GREEDY | {"temperature": 1.5}), prompt=PROMPT, n=2, max_tokens=6)
    assert [choice.index for choice in reply.choices] == [0, 1]


def test_logprobs_tell_of_each_token(client: openai.OpenAI) -> None:
    choice = client.completions.create(**GREEDY, prompt=PROMPT, max_tokens=4, logprobs=3).choices[0]
    told = choice.logprobs
    assert told and told.tokens and told.token_logprobs and told.top_logprobs and told.text_offset
    assert "".join(told.tokens) == choice.text
    assert len(told.tokens) == len(told.token_logprobs) == len(told.top_logprobs) == len(told.text_offset) == 4
    offsets = [told.text_offset[0] + len("".join(told.tokens[:at])) for at in range(4)]
    assert told.text_offset == offsets
    for token, likelihood, top in zip(told.tokens, told.token_logprobs, told.top_logprobs, strict=True):
        assert top[token] == pytest.approx(likelihood) and max(top.values()) == pytest.approx(likelihood)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": [[1, "x"]]}, "prompt"),
        ({"prompt": [10**9]}, "prompt"),
        ({"prompt": "x", "n": 1000}, "n"),
        ({"prompt": "x", "logprobs": 1000}, "logprobs"),
        ({"prompt": "x", "temperature": 3}, "temperature"),
    ],
)
def test_what_cannot_have_its_effect_is_refused_by_name(
    client: openai.OpenAI, recorder: Recorder, body: Any, param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/completions", body={**GREEDY, "max_tokens": 2, **body}, cast_to=object)
    assert (caught.value.param or "").startswith(param), caught.value


@pytest.mark.parametrize(
    "extra", [{"suffix": "the end"}, {"best_of": 2}, {"echo": True}], ids=["suffix", "best_of", "echo"]
)
def test_the_rest_has_its_effect_or_is_refused(client: openai.OpenAI, recorder: Recorder, extra: Any) -> None:
    try:
        reply = client.completions.create(**GREEDY, prompt=PROMPT, max_tokens=4, **extra)
    except openai.BadRequestError as error:
        assert error.param == next(iter(extra))
    else:
        assert "suffix" not in extra, "a suffix that is ignored gives text that does not fit"
        assert reply.choices[0].text.startswith(PROMPT) == ("echo" in extra)
