"""The prompts that the adapter is trained on are those that the agent sends."""

from pathlib import Path

import gguf
import httpx2
import pytest

from lmserver.adapters import shipped
from tests.support.processes import RunningServer
from train.format import OPENING, asks, call, digest, pieces, result, says, system_prompt
from train.tokens import Tokens
from vtcode.compact import CompactProfile
from vtcode.context import choose_profile
from vtcode.providers import ModelInfo, Request, ToolSpec
from vtcode.situation import Situation
from vtcode.tools import TOOLS

CONVERSATION = (
    asks("What is the port in app.toml?"),
    call("read_file", path="app.toml"),
    result("read_file", 'port = 1\nname = "é"'),
    says('It is 1, and "é".'),
    asks("thanks"),
)
SPECS = tuple(ToolSpec(tool.name, tool.description, tool.parameters()) for tool in TOOLS)


def test_the_prompts_are_those_that_the_adapter_was_trained_on() -> None:
    adapter = shipped()
    assert adapter is not None
    assert digest() == gguf.GGUFReader(adapter).fields["vtcode.format"].contents(), (
        "The compact profile's prompts have changed, and the default model's adapter was trained on the former ones. "
        "Change them back, or train again as docs/training.md says."
    )


def test_a_model_that_was_trained_on_these_prompts_is_sent_them() -> None:
    info = ModelInfo(id="m", parameters=135_000_000, trained_for_tools=False, trained_for_compact=True)
    profile = choose_profile("auto", info, SPECS)
    assert isinstance(profile, CompactProfile)
    assert not profile.takes_notes and not profile.can_sum_up
    request = profile.request(Request(model="m", system="", messages=()), Situation(messages=(), step=1))
    assert request.system in system_prompt()
    assert request.temperature == 0.0 and request.max_tokens is not None


def test_without_that_training_so_small_a_model_is_guided() -> None:
    info = ModelInfo(id="m", parameters=135_000_000, trained_for_tools=False)
    assert choose_profile("auto", info, SPECS).name == "guided"


@pytest.mark.parametrize("count", [1, 3, 5])
def test_what_is_trained_on_is_what_the_template_writes(count: int, models: Path, real_server: RunningServer) -> None:
    request = CompactProfile(SPECS).request(
        Request(model="m", system="", messages=()), Situation(messages=CONVERSATION[:count], step=1)
    )
    messages = [{"role": "system", "content": request.system}]
    for message in request.messages:
        messages.append(
            {"role": "user" if type(message).__name__ == "UserMessage" else "assistant", "content": message.text}
        )
    asked = {"model": "smollm2-135m-instruct", "messages": messages, "max_tokens": 1, "temperature": 0}
    answer = httpx2.post(f"{real_server.url}/chat/completions", json=asked, timeout=60).json()
    text = system_prompt() + "".join(piece.text for piece in pieces(CONVERSATION[:count])) + OPENING
    ids = Tokens(next(models.glob("*/*/SmolLM2*.gguf"))).ids(text)
    assert len(ids) == answer["usage"]["prompt_tokens"]
