"""Servers that are known by name: a row of data each."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

Api = Literal["auto", "chat", "responses"]
"""Which of OpenAI's two APIs is spoken; `auto` is chat unless the server has only the other."""


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of server: where it is by default, and how it is spoken of."""

    label: str
    """What messages call it."""
    base_url: str
    """Where it answers when nobody says otherwise."""
    base_url_env: str
    """Environment variable that overrides the address; empty where there is none."""
    api_key_env: str
    """Environment variable that holds the key; empty where none is known."""
    start: str
    """What to do when nothing answers, as a sentence."""
    get_model: str = "Add one there."
    """What to do when it has no model, as a sentence."""
    is_local: bool = True
    has_native_list: bool = False
    """Whether LM Studio's own list of models may be there, beside the API's."""

    @property
    def address_setting(self) -> str:
        """Name what sets the address, for messages."""
        return self.base_url_env or "its base_url in vtcode.toml"

    @property
    def key_setting(self) -> str:
        """Name what holds the key, for messages."""
        return self.api_key_env or "the environment variable that its api_key_env names in vtcode.toml"


PRESETS: Final[Mapping[str, Preset]] = {
    "lmstudio": Preset(
        label="LM Studio",
        base_url="http://localhost:1234/v1",
        base_url_env="LMSTUDIO_BASE_URL",
        api_key_env="LMSTUDIO_API_KEY",
        start="Start it with `lmstudio server start`.",
        get_model="Download one there, or run `lmstudio get`.",
        has_native_list=True,
    ),
    "openai": Preset(
        label="OpenAI",
        base_url="https://api.openai.com/v1",
        base_url_env="OPENAI_BASE_URL",
        api_key_env="OPENAI_API_KEY",
        start="Check the address in OPENAI_BASE_URL.",
        is_local=False,
    ),
    "ollama": Preset(
        label="Ollama",
        base_url="http://localhost:11434/v1",
        base_url_env="OLLAMA_BASE_URL",
        api_key_env="OLLAMA_API_KEY",
        start="Start it with `ollama serve`.",
        get_model="Get one with `ollama pull NAME`.",
    ),
    "llamacpp": Preset(
        label="llama.cpp",
        base_url="http://localhost:8080/v1",
        base_url_env="LLAMACPP_BASE_URL",
        api_key_env="LLAMACPP_API_KEY",
        start="Start it with `llama-server -m MODEL.gguf`.",
    ),
}
