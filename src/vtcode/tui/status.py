"""The status line: what is good to know at any time, as much of it as fits."""

import msgspec

from vtcode.text import visible
from vtcode.tui.theme import Role, Theme
from vtcode.tui.wrap import cut, width_of

_BETWEEN = " · "
_WARN_AT = 0.8


class StatusFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to tell; empty or None where it is not known."""

    model: str = ""
    context_used: int = 0
    """Tokens."""
    context_size: int | None = None
    tokens_per_second: float | None = None
    sandbox: str = ""
    network: str = "off"
    branch: str = ""
    queued: int = 0
    is_connecting: bool = False


def status_line(facts: StatusFacts, width: int, theme: Theme) -> str:
    """Write it; the least important parts are left out first."""
    parts = [part for part in _parts(facts) if part[2]]
    while len(parts) > 1 and _width(parts) > width:
        parts.remove(max(parts, key=lambda part: part[0]))
    line = theme.paint("dim", _BETWEEN).join(theme.paint(role, text) for _, role, text in parts)
    return cut(line, width)


def _width(parts: list[tuple[int, Role, str]]) -> int:
    return sum(width_of(text) for _, _, text in parts) + len(_BETWEEN) * (len(parts) - 1)


def _parts(facts: StatusFacts) -> list[tuple[int, Role, str]]:
    """List what can be said, each with how soon it is left out: the highest first."""
    model = visible(facts.model, one_line=True).rpartition("/")[2]
    state = model or ("connecting" if facts.is_connecting else "not connected")
    used = facts.context_used / facts.context_size if facts.context_size else 0.0
    speed = facts.tokens_per_second
    boxed = facts.sandbox in ("bubblewrap", "seatbelt")
    return [
        (0, "accent" if model else "warn", cut(state, 40)),
        (2, "warn" if used >= _WARN_AT else "dim", _context(facts)),
        (5, "dim", f"{speed:.0f} tok/s" if speed else ""),
        (1, "dim" if boxed else "warn", f"sandbox {facts.sandbox}" if facts.sandbox else ""),
        (4, "warn", f"network {facts.network}" if facts.sandbox and facts.network != "off" else ""),
        (6, "dim", f"git {cut(visible(facts.branch, one_line=True), 30)}" if facts.branch else ""),
        (3, "accent", f"{facts.queued} queued" if facts.queued else ""),
    ]


def _context(facts: StatusFacts) -> str:
    if facts.context_size:
        share = facts.context_used / facts.context_size
        return f"{_short(facts.context_used)}/{_short(facts.context_size)} ({share:.0%})"
    return f"{_short(facts.context_used)} tokens" if facts.context_used else ""


def _short(tokens: int) -> str:
    return str(tokens) if tokens < 1_000 else f"{tokens / 1_000:.1f}k".replace(".0k", "k")
