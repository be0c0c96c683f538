"""Servers that are known by name: a row of data each."""

from collections.abc import Mapping
from typing import Final

import msgspec


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of server: where it is by default, and how it is spoken of."""

    label: str
    """What messages call it."""
    base_url: str
    """Where it answers when nobody says otherwise."""
    base_url_env: str
    """Environment variable that overrides the address."""
    api_key_env: str
    """Environment variable that holds the key."""
    start: str
    """What to do when nothing answers, as a sentence."""
    is_local: bool = True


PRESETS: Final[Mapping[str, Preset]] = {
    "lmstudio": Preset(
        label="LM Studio",
        base_url="http://localhost:1234/v1",
        base_url_env="LMSTUDIO_BASE_URL",
        api_key_env="LMSTUDIO_API_KEY",
        start="Start it with `lmstudio server start`.",
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
    ),
    "llamacpp": Preset(
        label="llama.cpp",
        base_url="http://localhost:8080/v1",
        base_url_env="LLAMACPP_BASE_URL",
        api_key_env="LLAMACPP_API_KEY",
        start="Start it with `llama-server -m MODEL.gguf`.",
    ),
}
