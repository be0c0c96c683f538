"""What `lmstudio get` can be asked for: a name that it knows, a repository of a hub, or a URL."""

import difflib
import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import msgspec

from lmserver.download import DEFAULT_MODEL, KNOWN, IndexModel
from lmserver.errors import ModelError
from lmserver.text import one_line

_HUB = "https://huggingface.co"
_HUB_HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class HubModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model in a repository of a hub, in several quantisations."""

    id: str
    """What it is called here once it is on disk."""
    repo: str
    parameters: float
    """How many weights it has, in billions."""
    license: str


class HubTarget(msgspec.Struct, frozen=True, kw_only=True):
    """What of which repository is wanted."""

    repo: str
    """`owner/name`."""
    revision: str = "main"
    wanted: str = ""
    """A quantisation or the name of a file, as it was written; empty when we choose."""


class UrlTarget(msgspec.Struct, frozen=True):
    """A file anywhere."""

    url: str
    name: str
    """What the file is called."""


Target = IndexModel | HubTarget | UrlTarget


def _hub(id: str, publisher: str, name: str, parameters: float, license: str) -> HubModel:
    return HubModel(id=id, repo=f"{publisher}/{name}-GGUF", parameters=parameters, license=license)


_COMMUNITY = "lmstudio-community"

HUB_MODELS = {
    model.id: model
    for model in (
        # Small enough for any laptop.
        _hub("smollm2-360m-instruct", _COMMUNITY, "SmolLM2-360M-Instruct", 0.36, "Apache-2.0"),
        _hub("smollm2-1.7b-instruct", _COMMUNITY, "SmolLM2-1.7B-Instruct", 1.71, "Apache-2.0"),
        _hub("qwen2.5-0.5b-instruct", _COMMUNITY, "Qwen2.5-0.5B-Instruct", 0.49, "Apache-2.0"),
        _hub("qwen2.5-1.5b-instruct", _COMMUNITY, "Qwen2.5-1.5B-Instruct", 1.54, "Apache-2.0"),
        _hub("qwen2.5-3b-instruct", _COMMUNITY, "Qwen2.5-3B-Instruct", 3.09, "Qwen-Research"),
        _hub("qwen2.5-coder-1.5b-instruct", "Qwen", "Qwen2.5-Coder-1.5B-Instruct", 1.54, "Apache-2.0"),
        _hub("qwen2.5-coder-3b-instruct", "Qwen", "Qwen2.5-Coder-3B-Instruct", 3.09, "Qwen-Research"),
        _hub("llama-3.2-1b-instruct", _COMMUNITY, "Llama-3.2-1B-Instruct", 1.24, "Llama-3.2"),
        _hub("llama-3.2-3b-instruct", _COMMUNITY, "Llama-3.2-3B-Instruct", 3.21, "Llama-3.2"),
        # Those that vtcode's guide to LM Studio names, and their like.
        _hub("meta-llama-3.1-8b-instruct", _COMMUNITY, "Meta-Llama-3.1-8B-Instruct", 8.03, "Llama-3.1"),
        _hub("meta-llama-3-8b-instruct", _COMMUNITY, "Meta-Llama-3-8B-Instruct", 8.03, "Llama-3"),
        _hub("qwen2.5-7b-instruct", _COMMUNITY, "Qwen2.5-7B-Instruct", 7.62, "Apache-2.0"),
        _hub("qwen2.5-coder-7b-instruct", _COMMUNITY, "Qwen2.5-Coder-7B-Instruct", 7.62, "Apache-2.0"),
        _hub("gemma-2-2b-it", _COMMUNITY, "gemma-2-2b-it", 2.61, "Gemma"),
        _hub("gemma-2-9b-it", _COMMUNITY, "gemma-2-9b-it", 9.24, "Gemma"),
        _hub("phi-3.1-mini-4k-instruct", _COMMUNITY, "Phi-3.1-mini-4k-instruct", 3.82, "MIT"),
    )
}
"""Models by id. A repository's id in the models folder is its name without -GGUF, in lower case."""

CATALOGUE: dict[str, IndexModel | HubModel] = {**KNOWN, **HUB_MODELS}


def understood(text: str, environ: Mapping[str, str]) -> Target:
    """Say what is meant by a name, `owner/name` or a URL, with `@quantization` or without.

    Raises:
        ModelError: when it means nothing; the sentence names what is near.
    """
    text = text.strip()
    if text.lower().startswith(("http://", "https://")):
        return _from_url(text, environ.get("HF_ENDPOINT", "") or _HUB)
    name, _, wanted = text.partition("@")
    if _REPO.fullmatch(name):
        return HubTarget(repo=name, wanted=wanted)
    model = _known(name)
    if isinstance(model, HubModel):
        return HubTarget(repo=model.repo, wanted=wanted)
    if wanted:
        raise ModelError(f"{model.id} comes in one quantisation only. Leave @{one_line(wanted)} out.")
    return model


def _known(name: str) -> IndexModel | HubModel:
    wanted = name.lower() or DEFAULT_MODEL
    if (found := CATALOGUE.get(wanted)) is not None:
        return found
    near = difflib.get_close_matches(wanted[:200], CATALOGUE, n=3, cutoff=0.5)
    near = near or [known for known in CATALOGUE if wanted in known][:3]
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ModelError(
        f"{name[:200]!r} is not a model that `lmstudio get` knows.{meant} It knows what `lmstudio get --list` lists, "
        "hub repositories (owner/name) and the URLs of GGUF files; add a file of yours with `lmstudio import`."
    )


def _from_url(url: str, hub: str) -> HubTarget | UrlTarget:
    try:
        address = urlsplit(url)
        host, is_valid = address.hostname or "", address.port != 0 and url.isprintable()
    except ValueError as error:
        raise ModelError(f"{one_line(url)} is not a URL ({error}).") from error
    if not host or not is_valid:
        raise ModelError(f"{one_line(url)} is not a URL.")
    parts = [unquote(part) for part in address.path.split("/") if part]
    if host in {*_HUB_HOSTS, urlsplit(hub).hostname} and (target := _from_hub_path(parts)):
        return target
    if not parts or not parts[-1].lower().endswith(".gguf"):
        raise ModelError(f"{one_line(url)} is neither a model's page on the hub nor the address of a .gguf file.")
    if address.scheme == "http" and not _is_loopback(host):
        raise ModelError(f"{one_line(url)} is not encrypted. Use an https address, or `lmstudio import` the file.")
    return UrlTarget(url, parts[-1])


def _from_hub_path(parts: list[str]) -> HubTarget | None:
    repo, what, rest = "/".join(parts[:2]), parts[2:3], parts[3:]
    if not _REPO.fullmatch(repo):
        return None
    if not what or what == ["tree"]:
        return HubTarget(repo=repo, revision=rest[0] if rest else "main")
    if what in (["blob"], ["resolve"]) and len(rest) > 1:
        return HubTarget(repo=repo, revision=rest[0], wanted="/".join(rest[1:]))
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
