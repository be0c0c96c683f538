"""Layers of vtcode.toml, environment and flags → one Settings value, with where each came from."""

import ipaddress
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from vtcode.approval import BUILT_IN, Policies, Policy, judge
from vtcode.configfile import AGENT_KEYS, Checked, ConfigError, Source, agent_value, check, read_table
from vtcode.providers.presets import PRESETS
from vtcode.settings import Settings

__all__ = ["ConfigError", "Settings", "load"]

DEFAULT_BASE_URL: Final = PRESETS["lmstudio"].base_url

_SHELL: Final = "run_terminal_cmd"
_STRICTNESS: Final = {Policy.ALLOW: 0, Policy.PROMPT: 1, Policy.DENY: 2}
_FLAGS: Final = {name: f"--{name.replace('_', '-')}" for name in AGENT_KEYS} | {"default_model": "--model"}


class _Layer(msgspec.Struct, frozen=True):
    """One source of settings, checked."""

    label: str
    checked: Checked
    is_workspace: bool = False


def load(workspace_root: Path, environ: Mapping[str, str], flags: Mapping[str, str] | None = None) -> Settings:
    """Merge all layers, from low to high: defaults, the user's file, the workspace's, `--config`, environment, flags.

    Args:
        flags: what the command line sets: the keys of [agent], and `config`, the path of one more file.

    Raises:
        ConfigError: with the file, the key, the line where it can be found, and what was expected.
    """
    flags = flags or {}
    agent: dict[str, Any] = {}
    sources: dict[str, str] = {}
    policies = Policies()
    warnings: list[str] = []
    for layer in _layers(workspace_root, environ, flags):
        warnings += layer.checked.warnings
        agent |= layer.checked.agent
        sources |= {f"agent.{name}": layer.label for name in layer.checked.agent}
        policies = _merged(policies, layer, warnings)
    base_url = _base_url(environ)
    key = _api_key(environ)
    if key and (host := _exposed_host(base_url or DEFAULT_BASE_URL)):
        warnings.append(f"the API key goes to {host} without encryption (http). Use https if the server has it.")
    return Settings(
        **{"stall_timeout" if name == "stall_timeout_secs" else name: value for name, value in agent.items()},
        base_url=base_url or DEFAULT_BASE_URL,
        base_url_is_set=base_url is not None,
        api_key=key,
        policies=policies,
        sources=sources,
        warnings=tuple(warnings),
    )


def _layers(root: Path, environ: Mapping[str, str], flags: Mapping[str, str]) -> Iterator[_Layer]:
    explicit = flags.get("config") or environ.get("VTCODE_CONFIG_PATH", "").strip()
    explicit_path = Path(explicit).expanduser() if explicit else None
    for path in _user_files(environ):
        if layer := _file(path, str(path)):
            yield layer
            break
    for name in ("vtcode.toml", ".vtcode/vtcode.toml"):
        path = root / name
        # Named by the user, it is the user's choice and not the repository's.
        if explicit_path is not None and _is_same(path, explicit_path):
            break
        if layer := _file(path, name):
            yield msgspec.structs.replace(layer, is_workspace=True)
            break
    if explicit_path is not None:
        layer = _file(explicit_path, explicit)
        if layer is None:
            flag = "--config" if flags.get("config") else "VTCODE_CONFIG_PATH"
            raise ConfigError(f"{flag} names {explicit}, which does not exist.")
        yield layer
    for name in AGENT_KEYS:
        if name in flags:
            source = Source(_FLAGS[name])
            yield _Layer(source.label, Checked({name: agent_value(source, name, flags[name])}, None, {}, ()))


def _file(path: Path, label: str) -> _Layer | None:
    try:
        source, table = read_table(path, label)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _Layer(label, check(source, table))


def _user_files(environ: Mapping[str, str]) -> Iterator[Path]:
    home = Path(environ.get("HOME") or Path.home())
    configured = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    # A relative path there is to be ignored (XDG Base Directory), and could lie in the workspace.
    folder = configured if configured.is_absolute() else home / ".config"
    yield folder / "vtcode" / "vtcode.toml"
    if sys.platform == "darwin":
        yield home / "Library" / "Application Support" / "vtcode" / "vtcode.toml"


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False


# Policies -----------------------------------------------------------------------------------------------


def _merged(below: Policies, layer: _Layer, warnings: list[str]) -> Policies:
    """Lay a layer's policies over those below it."""
    default, by_tool = layer.checked.default_policy, dict(layer.checked.policies)
    if layer.is_workspace:
        default = _tightened(below, layer, by_tool, warnings)
    named = [*by_tool, *(["default_policy"] if default is not None else [])]
    above = Policies(
        below.default if default is None else default,
        {**below.by_tool, **by_tool},
        {**below.sources, **dict.fromkeys(named, layer.label)},
    )
    return _without_commands(below, above, layer, warnings) if layer.is_workspace else above


def _tightened(below: Policies, layer: _Layer, by_tool: dict[str, Policy], warnings: list[str]) -> Policy | None:
    """Drop from a workspace's policies what would loosen what the user wrote; return the default that is left."""
    for name, policy in layer.checked.policies.items():
        yours = judge(below, name).policy
        is_written = name in below.by_tool or below.default is not None
        if is_written and _STRICTNESS[policy] < _STRICTNESS[yours]:
            del by_tool[name]
            warnings.append(_ignored(layer, f"tools.policies.{name}", policy, f'yours is "{yours}"'))
    default = layer.checked.default_policy
    if default is not None and below.default is not None and _STRICTNESS[default] < _STRICTNESS[below.default]:
        warnings.append(_ignored(layer, "tools.default_policy", default, f'yours is "{below.default}"'))
        return None
    return default


def _without_commands(below: Policies, above: Policies, layer: _Layer, warnings: list[str]) -> Policies:
    """Keep a workspace from allowing commands: whoever wrote the repository could then run what they like."""
    if judge(above, _SHELL).policy is not Policy.ALLOW or judge(below, _SHELL).policy is Policy.ALLOW:
        return above
    key = f"tools.policies.{_SHELL}" if _SHELL in layer.checked.policies else "tools.default_policy"
    why = "a workspace may not allow commands; put it into your own configuration, or use --full-auto"
    warnings.append(_ignored(layer, key, Policy.ALLOW, why, of=_SHELL))
    return msgspec.structs.replace(
        above,
        by_tool={**above.by_tool, _SHELL: BUILT_IN[_SHELL]},
        sources={**above.sources, _SHELL: "built-in, since a workspace may not allow it"},
    )


def _ignored(layer: _Layer, key: str, policy: Policy | None, why: str, *, of: str = "") -> str:
    whom = f" for {of}" if of and not key.endswith(of) else ""
    return f'{layer.label}: {key} = "{policy}" is ignored{whom}: {why}.'


# Environment --------------------------------------------------------------------------------------------


def _base_url(environ: Mapping[str, str]) -> str | None:
    """Return LMSTUDIO_BASE_URL without trailing slashes, or None if it is unset or empty."""
    url = environ.get("LMSTUDIO_BASE_URL", "").strip()
    if not url:
        return None
    if problem := _url_problem(url):
        # The address itself is left out: it may hold a password.
        raise ConfigError(
            f"LMSTUDIO_BASE_URL {problem}; expected an address such as {DEFAULT_BASE_URL}. Correct or unset it."
        )
    return url.rstrip("/")


def _url_problem(url: str) -> str | None:
    if not url.isascii() or not url.isprintable() or " " in url:
        return "has characters that no address has"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "has a host or port that is not valid"
    if parts.scheme not in ("http", "https"):
        return "does not begin with http:// or https://"
    if not parts.hostname or port == 0:
        return "names no host or port that could answer"
    if "@" in parts.netloc:
        return "has a name or password in it (the key belongs into LMSTUDIO_API_KEY)"
    if parts.query or parts.fragment:
        return "has a part after ? or #"
    return None


def _api_key(environ: Mapping[str, str]) -> str | None:
    key = environ.get("LMSTUDIO_API_KEY", "").strip()
    if not key.isascii() or (key and not key.isprintable()):
        raise ConfigError("LMSTUDIO_API_KEY has characters that no key has. Copy the key once more.")
    return key or None


def _exposed_host(url: str) -> str | None:
    """Return the host if what is sent there can be read on the way: plain http to another machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost" or host.endswith(".localhost"):
        return None
    try:
        return None if ipaddress.ip_address(host).is_loopback else host
    except ValueError:
        return host
