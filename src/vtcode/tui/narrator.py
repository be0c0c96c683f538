"""Tells on the screen what happens in the conversation, and keeps what the status line says of it."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from vtcode import events
from vtcode.events import Event
from vtcode.messages import Finish, Usage
from vtcode.settings import UiSettings
from vtcode.tui.branch import branch_of
from vtcode.tui.progress import Progress
from vtcode.tui.window import Window
from vtcode.workspace import Workspace

if TYPE_CHECKING:
    # Slow to import, and of no use before the first frame is drawn.
    from vtcode.sessions.session import Session
    from vtcode.startup import Running

_LONG_TURN: Final = 10.0
"""Seconds from which on the end of a turn is told to who may look elsewhere."""
_WARM: Final = 0.2
"""Seconds of a reply after which its speed says something."""
_REPLAYED: Final = 4
"""Turns of a session that is gone on with, shown again."""


class Narrator:
    """The `Listener` of one window."""

    def __init__(
        self,
        window: Window,
        progress: Progress,
        workspace: Workspace,
        environ: Mapping[str, str],
        ui: UiSettings,
        settled: Callable[[], None],
    ) -> None:
        """Begin.

        Args:
            settled: called when it is known whether there is a server to go on with.
        """
        self.context_used = 0
        """Tokens of the newest request and reply, as the server counted them; 0 before the first."""
        self.tokens_per_second: float | None = None
        self.branch = branch_of(workspace.root)
        self._window = window
        self._progress = progress
        self._workspace = workspace
        self._environ = environ
        self._ui = ui
        self._settled = settled
        self._summary = ""
        """What the person was told last of server and model."""
        self._first_token = 0.0
        """When the reply began to come; 0 before."""
        self._turn_since = 0.0

    def say(self, text: str) -> None:
        self._window.write(self._window.transcript.note(text))

    def fail(self, text: str) -> None:
        self._window.write(self._window.transcript.error(text))

    def changed(self) -> None:
        self._window.refresh()

    def awaits(self, what: str) -> None:
        self._progress.say(what, time.monotonic())
        self._window.refresh()

    def connected(self, running: "Running", session: "Session") -> None:
        if running.summary != self._summary:
            self._summary = running.summary
            self.say(running.summary)
        self._settled()
        if session.is_resumed and not self.context_used:
            self._replay(session)
        self._window.refresh()

    def stranded(self) -> None:
        self._settled()

    # A turn -------------------------------------------------------------------------------------------------

    def begin(self, text: str) -> None:
        self._turn_since = time.monotonic()
        self._window.write(self._window.transcript.user(text))

    def hear(self, event: Event) -> None:
        now = time.monotonic()
        self._progress.hear(event, now)
        match event:
            case events.StepStarted():
                self._first_token = 0.0
            case events.TextDelta() | events.ReasoningDelta():
                self._first_token = self._first_token or now
            case events.MessageFinished(message=message):
                self._count(message.usage, now)
            case events.TurnFinished():
                self._end_turn(now)
            case events.Compacted(after=after):
                self.context_used = after
            case _:
                pass
        self._window.write(self._window.transcript.feed(event))

    def _count(self, usage: Usage, now: float) -> None:
        self.context_used = usage.prompt + usage.generated or self.context_used
        seconds = now - self._first_token if self._first_token else 0.0
        if usage.generated > 1 and seconds > _WARM:
            self.tokens_per_second = usage.generated / seconds

    def interrupted(self) -> None:
        now = time.monotonic()
        end = events.TurnFinished(Finish.CANCELLED, "", 0, 0, (), Usage(), now - self._turn_since)
        self._window.write(self._window.transcript.feed(end))
        self._end_turn(now)

    def _end_turn(self, now: float) -> None:
        self.branch = branch_of(self._workspace.root)
        if now - self._turn_since >= _LONG_TURN:
            from vtcode.tui.notify import attention

            self._window.raw(attention(self._environ, self._ui.notify))

    def _replay(self, session: "Session") -> None:
        """Show the end of what was said before."""
        transcript = self._window.transcript
        facts = list(session.facts)
        begins = [at for at, fact in enumerate(facts) if isinstance(fact, events.TurnStarted)]
        if len(begins) > _REPLAYED:
            self.say(f"{len(begins) - _REPLAYED} earlier turns are not shown.")
        for fact in facts[begins[-_REPLAYED] if len(begins) >= _REPLAYED else 0 :]:
            if isinstance(fact, events.TurnStarted):
                self._window.write(transcript.user(fact.text))
                continue
            if isinstance(fact, events.MessageFinished) and fact.message.text:
                self._window.write(transcript.feed(events.TextDelta(fact.message.text)))
                self.context_used = fact.message.usage.prompt + fact.message.usage.generated
            self._window.write(transcript.feed(fact))
