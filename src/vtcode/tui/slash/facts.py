"""/status, /context, /sandbox, /mcp, /doctor: what holds here."""

from vtcode import __version__
from vtcode.messages import AssistantMessage, ToolResult, UserMessage
from vtcode.text import visible
from vtcode.tui.desk import Desk
from vtcode.tui.slash.beside import told_by

_BAR = 40


async def status(desk: Desk, arguments: str) -> None:
    """Tell what this conversation works with."""
    del arguments
    settings, running, session = desk.settings, desk.running, desk.session
    network = settings.sandbox.network
    rows = [
        ("vtcode", __version__),
        ("workspace", str(desk.workspace.root)),
        ("model", running.model if running else "none: not connected"),
        ("server", f"{running.address if running else settings.base_url} ({settings.provider})"),
        ("context", _context(desk)),
        ("session", f"{session.id}{'' if session.is_kept else ' (not kept)'}"),
        ("sandbox", f"{running.sandbox} ({settings.sandbox.mode})" if running else settings.sandbox.mode),
        ("network", network if isinstance(network, str) else ", ".join(network)),
        ("theme", desk.theme.name),
        ("settings", ", ".join(sorted(set(settings.sources.values()))) or "built-in defaults"),
    ]
    desk.say("\n".join(f"{name:<10} {visible(value, one_line=True)}" for name, value in rows))


def _context(desk: Desk) -> str:
    size = desk.running.context_length if desk.running is not None else None
    used = f"{desk.context_used:,}" if desk.context_used else "nothing yet"
    return f"{used} of {size:,} tokens" if size else f"{used} (its size is not known)"


async def context(desk: Desk, arguments: str) -> None:
    """Show what the context is spent on: the server counts the whole, and the parts are shares of the characters."""
    del arguments
    running = desk.running
    parts = {"notes (AGENTS.md)": len(running.notes) if running is not None else 0}
    parts |= {"what you said": 0, "answers": 0, "calls": 0, "results": 0}
    for message in desk.messages():
        match message:
            case UserMessage(text=text):
                parts["what you said"] += len(text)
            case AssistantMessage(text=text, calls=calls):
                parts["answers"] += len(text)
                parts["calls"] += sum(len(call.name) + len(call.arguments) for call in calls)
            case ToolResult(text=text):
                parts["results"] += len(text)
    fixed = running.prefix_size if running is not None else 0
    parts = {"system and tools": fixed, **parts}
    total = sum(parts.values()) or 1
    used = desk.context_used
    size = running.context_length if running is not None else None
    lines = [f"context: {_context(desk)}"]
    if size:
        full = min(_BAR, round(_BAR * used / size))
        lines.append(f"[{'█' * full}{'░' * (_BAR - full)}] {used / size:.0%}")
    for name, count in parts.items():
        share = count / total
        tokens = f"about {round(share * used):,} tokens" if used else f"{count:,} characters"
        lines.append(f"{name:<18} {share:>4.0%}  {tokens}")
    desk.say("\n".join(lines))


async def sandbox(desk: Desk, arguments: str) -> None:
    """Tell what commands can reach."""
    del arguments
    await told_by(desk, "sandbox", "status")


async def mcp(desk: Desk, arguments: str) -> None:
    """List servers of tools, and their tools."""
    del arguments
    desk.say("Asking the servers of tools …")
    await told_by(desk, "mcp", "list")


async def doctor(desk: Desk, arguments: str) -> None:
    """Look at everything that a run needs."""
    del arguments
    desk.say("Looking …")
    await told_by(desk, "doctor")
