"""Turns run in this process, with settings made by hand."""

import asyncio
from typing import Any

from tests.agent.support import Bench
from vtcode.approver import Answer, ApprovalRequest, Decision
from vtcode.conversation import Conversation
from vtcode.events import Event, check_order
from vtcode.settings import Settings
from vtcode.startup import start
from vtcode.workspace import Workspace


class Nobody:
    """Approves nothing, and knows no answer."""

    async def decide(self, request: ApprovalRequest) -> Decision:
        return Decision(Answer.NO)

    async def confirm(self, question: str) -> bool:
        return False

    async def answer(self, question: str, choices: tuple[str, ...]) -> str | None:
        return None


def turn_events(it: Bench, *, full_auto: bool = False, **more: Any) -> list[Event]:
    """Run one turn with these settings against the bench's server; tell all that happened."""
    settings = Settings(base_url=it.server.url, base_url_is_set=True, **more)

    async def run() -> list[Event]:
        async with start(
            settings, Workspace(it.workspace), Nobody(), print, with_tools=True, full_auto=full_auto
        ) as running:
            return [event async for event in running.agent.run_turn(Conversation(), "go")]

    events = asyncio.run(run())
    check_order(events)
    return events
