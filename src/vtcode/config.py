"""Layers of vtcode.toml, environment and flags → one Settings value, with where each came from."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from vtcode.approval import Policies
from vtcode.configfile import ConfigError, Source, dotted, lines_of
from vtcode.configkeys import KeyPath
from vtcode.layers import Layer, command_line_layers, environment_layers, file_layers
from vtcode.loosening import loosens
from vtcode.providers.presets import PRESETS
from vtcode.settings import (
    CommandRules,
    ContextSettings,
    McpServer,
    McpSettings,
    ProviderSettings,
    SandboxSettings,
    Settings,
    UiSettings,
)
from vtcode.text import visible
from vtcode.trust import digest_of, store_for
from vtcode.urls import exposed_host

__all__ = ["ConfigError", "Configuration", "Settings", "configure", "load"]

_PROVIDER: Final = ("agent", "provider")
_MOST_WARNINGS: Final = 10


class Found(msgspec.Struct, frozen=True):
    """A value, and where it was set."""

    value: Any
    source: Source
    written: KeyPath
    """Its key as the source has it."""

    @property
    def label(self) -> str:
        return self.source.label

    @property
    def line(self) -> int | None:
        return lines_of(self.source.text).get(self.written)


class Ignored(msgspec.Struct, frozen=True):
    """What a workspace's file says and does not get without trust."""

    path: KeyPath
    value: Any
    why: str


class Configuration(msgspec.Struct, frozen=True):
    """All layers, merged."""

    values: Mapping[KeyPath, Found]
    rule_sources: Mapping[str, str]
    """Where each rule of [commands] is from."""
    layers: tuple[Layer, ...]
    needs_trust: tuple[Ignored, ...] = ()
    """What the workspace's file would loosen, whether it is trusted or not."""
    digest: str | None = None
    """Of the workspace's files that act; None where there are none."""
    is_trusted: bool = False

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the user."""
        unknown = [warning for layer in self.layers for warning in layer.checked.warnings]
        return (*unknown, *(() if self.is_trusted else _ignored(self.needs_trust, self.layers)))

    def get(self, *path: str) -> Any:
        """Return a value that is set, or None."""
        found = self.values.get(path)
        return None if found is None else found.value

    def table(self, *path: str) -> dict[str, Any]:
        """Return what is set right beneath a path, by name."""
        depth = len(path)
        beneath = {key[depth]: found.value for key, found in self.values.items() if key[:depth] == path}
        return {name: value for name, value in beneath.items() if (*path, name) in self.values}

    def names(self, *path: str) -> tuple[str, ...]:
        """Return the names of the tables beneath a path."""
        depth = len(path)
        return tuple(dict.fromkeys(key[depth] for key in self.values if key[:depth] == path and len(key) > depth + 1))


def load(
    workspace_root: Path,
    environ: Mapping[str, str],
    flags: Mapping[str, str] | None = None,
    assignments: Sequence[str] = (),
) -> Settings:
    """Merge all layers and check them together; `configure` tells of the arguments.

    Raises:
        ConfigError: with the file, the key, the line where it can be found, and what was expected.
    """
    return settings_of(configure(workspace_root, environ, flags, assignments), environ)


def configure(
    workspace_root: Path,
    environ: Mapping[str, str],
    flags: Mapping[str, str] | None = None,
    assignments: Sequence[str] = (),
) -> Configuration:
    """Merge all layers, from low to high: system, user, workspace, `--config`, environment, `-c`, flags.

    Of a workspace that the user does not trust, what would loosen the other layers is left out.

    Args:
        workspace_root: the folder whose vtcode.toml counts.
        environ: variables.
        flags: what the command line sets: the keys of [agent], and `config`, the path of one more file.
        assignments: `key=value` each, as `-c` takes them.

    Raises:
        ConfigError: as `load` says.
    """
    flags = flags or {}
    files = tuple(file_layers(workspace_root, environ, flags))
    typed = tuple(command_line_layers(flags, assignments))
    provider = _merged((*files, *typed))[0].get(_PROVIDER)
    chosen = provider.value if provider is not None else Settings().provider
    layers = (*files, *environment_layers(environ, chosen), *typed)
    workspace = [layer for layer in layers if layer.is_workspace]
    if not workspace:
        return Configuration(*_merged(layers), layers)
    digest = digest_of((layer.source.label, layer.source.text) for layer in workspace)
    needs_trust = _needing_trust(layers)
    is_trusted = bool(needs_trust) and store_for(environ).covers(workspace_root, digest)
    left_out = frozenset[KeyPath]() if is_trusted else frozenset(entry.path for entry in needs_trust)
    return Configuration(*_merged(layers, left_out), layers, needs_trust, digest, is_trusted)


def settings_of(configuration: Configuration, environ: Mapping[str, str]) -> Settings:
    """Check what only shows when the layers are together, and make settings of them. Raises ConfigError."""
    get, table = configuration.get, configuration.table
    providers = _providers(configuration)
    agent = table("agent")
    provider = agent.get("provider", Settings().provider)
    own = providers.get(provider, ProviderSettings())
    preset = PRESETS.get(provider)
    base_url = own.base_url or (preset.base_url if preset else "")
    key = _key(own.api_key_env or (preset.api_key_env if preset else ""), environ)
    warnings = list(configuration.warnings)
    if key and (host := exposed_host(base_url)):
        warnings.append(f"the API key goes to {host} without encryption (http). Use https if the server has it.")
    if "stall_timeout_secs" in agent:
        agent["stall_timeout"] = agent.pop("stall_timeout_secs")
    return Settings(
        **agent,
        base_url=base_url,
        base_url_is_set=own.base_url is not None,
        api_key=key,
        api=own.api or "auto",
        providers=providers,
        policies=Policies(get("tools", "default_policy"), table("tools", "policies"), _policy_sources(configuration)),
        commands=msgspec.convert({**table("commands"), "sources": dict(configuration.rule_sources)}, CommandRules),
        context=msgspec.convert(table("context"), ContextSettings),
        sandbox=msgspec.convert(table("sandbox"), SandboxSettings),
        mcp=McpSettings(enabled=table("mcp").get("enabled", True), servers=_servers(configuration)),
        ui=msgspec.convert(table("ui"), UiSettings),
        sources={".".join(path): found.label for path, found in configuration.values.items()},
        warnings=tuple(warnings),
    )


# Layers -------------------------------------------------------------------------------------------------


def _merged(
    layers: Iterable[Layer], left_out: frozenset[KeyPath] = frozenset()
) -> tuple[dict[KeyPath, Found], dict[str, str]]:
    """Lay each layer over those below it; the rules that forbid commands or have them asked about are added up."""
    values: dict[KeyPath, Found] = {}
    rule_sources: dict[str, str] = {}
    for layer in layers:
        for path, value in layer.checked.values.items():
            if layer.is_workspace and path in left_out:
                continue
            # What changes nothing is still the user's: an approval of a server of tools depends on that.
            if layer.is_workspace and path in values and values[path].value == value:
                continue
            merged = value
            if path[0] == "commands":
                for rule in value:
                    rule_sources.setdefault(f"{path[1]}:{rule}", layer.source.label)
                if path[1].startswith(("deny", "prompt")) and path in values:
                    merged = list(dict.fromkeys([*values[path].value, *value]))
            values[path] = Found(merged, layer.source, layer.checked.written.get(path, path))
    return values, rule_sources


def _needing_trust(layers: Sequence[Layer]) -> tuple[Ignored, ...]:
    trusted_found, _ = _merged(layer for layer in layers if not layer.is_workspace)
    trusted = {path: found.value for path, found in trusted_found.items()}
    own = {path: value for layer in layers if layer.is_workspace for path, value in layer.checked.values.items()}
    return tuple(
        Ignored(path, value, why) for path, value in own.items() if (why := loosens(path, value, trusted, own))
    )


def _ignored(entries: Iterable[Ignored], layers: Iterable[Layer]) -> tuple[str, ...]:
    label = next((layer.source.label for layer in layers if layer.is_workspace), "")
    sentences = _sentences(entries)
    shown = [
        f"{label}: {sentence} To trust this file, run `vtcode trust`." for sentence in sentences[:_MOST_WARNINGS]
    ]
    if more := len(sentences) - len(shown):
        keys = "1 more key is" if more == 1 else f"{more:,} more keys are"
        shown.append(f"{label}: {keys} ignored until you run `vtcode trust`.")
    return tuple(shown)


def _sentences(entries: Iterable[Ignored]) -> list[str]:
    """Write a sentence for each key, or for each table where several keys are one thing."""
    found: dict[str, str] = {}
    for entry in entries:
        depth = {"providers": 2, "mcp": 3}.get(entry.path[0], len(entry.path))
        name = dotted(entry.path[:depth])
        is_simple = isinstance(entry.value, str) and depth == len(entry.path)
        shown = f' = "{visible(entry.value, one_line=True)[:80]}"' if is_simple else ""
        found.setdefault(name, f"{name}{shown} is ignored: {entry.why}.")
    return list(found.values())


# Settings -----------------------------------------------------------------------------------------------


def _providers(configuration: Configuration) -> dict[str, ProviderSettings]:
    providers = {
        name: msgspec.convert(configuration.table("providers", name), ProviderSettings)
        for name in configuration.names("providers")
    }
    for name, provider in providers.items():
        if name not in PRESETS and provider.base_url is None:
            path = next(path for path in configuration.values if path[:2] == ("providers", name))
            problem = "is no known provider, and has no base_url. Add one."
            raise configuration.values[path].source.error(path[:2], problem)
    chosen = configuration.values.get(_PROVIDER)
    known = [*PRESETS, *(name for name in providers if name not in PRESETS)]
    if chosen is not None and chosen.value not in known:
        names = ", ".join(f'"{visible(name, one_line=True)}"' for name in known[:20])
        shown = visible(chosen.value, one_line=True)[:80]
        raise chosen.source.error(_PROVIDER, f'is "{shown}"; the providers are {names}.')
    return providers


def _servers(configuration: Configuration) -> dict[str, McpServer]:
    servers: dict[str, McpServer] = {}
    for name in configuration.names("mcp", "servers"):
        path = ("mcp", "servers", name)
        table = configuration.table(*path)
        if "command" not in table and "url" not in table and table.get("enabled") is False:
            # Switched off, and nothing is left of it to switch off.
            continue
        first = next(key for key in configuration.values if key[:3] == path)
        if ("command" in table) == ("url" in table):
            problem = "has both a command and a url" if "url" in table else "has neither a command nor a url"
            raise configuration.values[first].source.error(path, f"{problem}; expected one of them.")
        what = "command" if "command" in table else "url"
        env = configuration.table(*path, "env")
        label = _source_of_server(configuration, (*path, what))
        servers[name] = msgspec.convert({**table, "env": env, "source": label}, McpServer)
    return servers


def _source_of_server(configuration: Configuration, what: KeyPath) -> str:
    """Say which file a server is from: the workspace's where that has any say in what is started."""
    acting = [
        found
        for key, found in configuration.values.items()
        if key[:3] == what[:3] and key[3] not in ("enabled", "timeout_secs")
    ]
    of_workspace = {layer.source.label for layer in configuration.layers if layer.is_workspace}
    return next((found.label for found in acting if found.label in of_workspace), configuration.values[what].label)


def _policy_sources(configuration: Configuration) -> dict[str, str]:
    return {
        path[-1]: found.label
        for path, found in configuration.values.items()
        if path == ("tools", "default_policy") or path[:2] == ("tools", "policies")
    }


def _key(variable: str, environ: Mapping[str, str]) -> str | None:
    key = environ.get(variable, "").strip() if variable else ""
    if not key.isascii() or (key and not key.isprintable()):
        raise ConfigError(f"{variable} has characters that no key has. Copy the key once more.")
    return key or None
