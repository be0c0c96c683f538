"""What a workspace's configuration would loosen, compared with the same configuration without it (pure)."""

from collections.abc import Mapping
from typing import Any, Final

from vtcode.approval import Policy
from vtcode.configkeys import KEYS, KeyPath, default_policy_of, pattern_of
from vtcode.providers.presets import PRESETS
from vtcode.urls import is_loopback

Values = Mapping[KeyPath, Any]

_STRICTNESS: Final = {Policy.ALLOW: 0, Policy.PROMPT: 1, Policy.DENY: 2}
_BOXES: Final = ("off", "any", "auto", "required")


def loosens(path: KeyPath, value: Any, trusted: Values, own: Values) -> str | None:
    """Say why a value of a workspace's file needs trust, as the end of "… is ignored: "; None where it needs none.

    Args:
        path: the key.
        value: what the workspace says.
        trusted: what all the other layers say together, those above the workspace's too. A value that is no looser
            than theirs cannot loosen anything, whichever of them wins.
        own: all that the workspace says.
    """
    if path in trusted and trusted[path] == value:
        return None
    match path:
        case ("agent", "provider"):
            return _leads_elsewhere(value, trusted, own)
        case ("tools", "default_policy"):
            yours = trusted.get(path)
            if yours is None:
                return "the built-in policies are stricter" if value is Policy.ALLOW else None
            return _looser(value, yours)
        case ("tools", "policies", tool):
            return _looser(value, effective_policy(trusted, tool))
        case ("commands", "allow_list" | "allow_glob"):
            more = not set(value) <= set(trusted.get(path, ()))
            return "it lets commands run without a question" if more else None
        case ("sandbox", "mode"):
            is_weaker = _BOXES.index(value) < _BOXES.index(trusted.get(path, _default(path)))
            return "it weakens the box around commands" if is_weaker else None
        case ("sandbox", "network"):
            return "it gives commands the network" if value == "on" else None
        case ("context", "instructions_max_bytes"):
            is_more = value > trusted.get(path, _default(path))
            return "it gives files of the workspace more room in the prompt" if is_more else None
        case ("providers", name, "api") if name not in PRESETS and ("providers", name, "base_url") not in trusted:
            return "it adds a provider"
        case ("providers", _, "base_url"):
            return "it says where your conversation goes"
        case ("providers", _, "api_key_env"):
            return "it says which of your keys is sent"
        case ("providers", _, "label"):
            return "it renames a provider"
        case ("mcp", "enabled"):
            return "it starts servers of tools" if value else None
        case ("mcp", "servers", _, "enabled"):
            return "it starts a server of tools" if value else None
        case ("mcp", "servers", _, *_):
            return "it adds or changes a server of tools"
        case _:
            return None


def effective_policy(values: Values, tool: str) -> Policy:
    """Return what holds for a tool."""
    own = values.get(("tools", "policies", tool), values.get(("tools", "default_policy")))
    return default_policy_of(tool) if own is None else own


def _looser(value: Policy, yours: Policy) -> str | None:
    return f'without it, "{yours}" holds' if _STRICTNESS[value] < _STRICTNESS[yours] else None


def _leads_elsewhere(name: str, trusted: Values, own: Values) -> str | None:
    """A workspace may choose a server of this machine; one of another is the user's to choose."""
    if name == trusted.get(("agent", "provider"), _default(("agent", "provider"))):
        return None
    url = trusted.get(("providers", name, "base_url"))
    if url is None and name in PRESETS:
        url = PRESETS[name].base_url
    if url is None:
        # Neither here nor there: a mistyped name is an error for whoever puts the layers together.
        return "it says where your conversation goes" if ("providers", name, "base_url") in own else None
    return None if is_loopback(url) else "it says where your conversation goes"


def _default(path: KeyPath) -> Any:
    pattern = pattern_of(path)
    assert pattern is not None
    return KEYS[pattern].default
