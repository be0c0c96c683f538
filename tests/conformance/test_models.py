"""The list of models, strictly."""

from typing import Any

import openai
import pytest

from tests.conformance.conftest import GREEDY, ask
from tests.conftest import MODEL


def test_the_list_has_every_model_once(client: openai.OpenAI) -> None:
    cards = list(client.models.list())
    names = [card.id for card in cards]
    assert MODEL in names and len(names) == len(set(names))
    for card in cards:
        assert card.object == "model" and card.owned_by
        assert 1_500_000_000 < card.created < 5_000_000_000, "a time in seconds"


def test_one_model_is_what_the_list_says(client: openai.OpenAI) -> None:
    listed = {card.id: card.to_dict() for card in client.models.list()}
    assert client.models.retrieve(MODEL).to_dict() == listed[MODEL]


@pytest.mark.parametrize("name", [MODEL.upper(), "HuggingFaceTB/SmolLM2-135M-Instruct-GGUF"])
def test_other_names_mean_the_same_model(client: openai.OpenAI, name: str) -> None:
    assert client.models.retrieve(name).id == MODEL


def test_a_reply_names_the_model_by_its_id(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(**(GREEDY | {"model": MODEL.upper()}), messages=ask(), max_tokens=1)
    assert reply.model == MODEL


@pytest.mark.parametrize("name", ["absent", "a/b/c", "smollm2-135m-instruct-x", "%2e%2e", "é", "a" * 5000])
def test_an_absent_model_is_a_404(client: openai.OpenAI, name: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve(name)
    error: Any = caught.value
    assert error.code == "model_not_found" and error.param == "model"
