"""What a slash command works with: the conversation, the screen, and what may be done to both."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from vtcode.messages import Message
from vtcode.sessions.session import Session
from vtcode.sessions.store import Found
from vtcode.settings import Settings
from vtcode.startup import Running
from vtcode.tui.panel import Panel
from vtcode.tui.theme import Theme
from vtcode.workspace import Workspace

T = TypeVar("T")


class Desk(Protocol):
    """One window of the program."""

    workspace: Workspace
    environ: Mapping[str, str]
    theme: Theme
    flags: Sequence[str]
    """Of the command line, that a command run beside this one is to be given too."""

    @property
    def settings(self) -> Settings:
        """As configured; `replace` it to have a change hold from the next connection on."""
        ...

    @settings.setter
    def settings(self, settings: Settings) -> None: ...

    @property
    def session(self) -> Session:
        """The one that is kept now."""
        ...

    @property
    def running(self) -> Running | None:
        """The server, the model and the agent; None as long as there is no connection."""
        ...

    @property
    def is_working(self) -> bool:
        """Whether a turn runs."""
        ...

    @property
    def context_used(self) -> int:
        """Tokens of the newest request and reply, as the server counted them; 0 before the first."""
        ...

    def say(self, text: str) -> None:
        """Show text beside the conversation, dim; it is made safe here."""
        ...

    def fail(self, text: str) -> None:
        """Show an error; it is made safe here."""
        ...

    def write(self, lines: Sequence[str]) -> None:
        """Show lines that are safe and fit, with SGR sequences of ours, in the scrollback."""
        ...

    def width(self) -> int:
        """Columns of the screen."""
        ...

    async def show(self, panel: Panel[T]) -> T | None:
        """Have the person answer a panel. None when it was given up."""
        ...

    async def page(self, title: str, text: str) -> None:
        """Show long text in the pager."""
        ...

    def fill(self, text: str) -> None:
        """Put text into the editor, for the person to change and send."""
        ...

    def submit(self, text: str) -> None:
        """Send text to the model as the person's, after what is queued."""
        ...

    async def use_model(self, model: str, effort: str | None = None, *, embedded: bool = False) -> bool:
        """Go on with another model, or with the same at another effort; the conversation stays.

        Tells whether it works. When it does not, the person has been told why, and the old one is used on.
        """
        ...

    def rest(self) -> None:
        """Raise SessionError while a turn runs: one may have begun since a command was."""
        ...

    async def use_session(self, found: Found | None) -> None:
        """Go on with a session; None for a new one. Raises SessionError, with the old one in use still."""
        ...

    async def compact(self, *, by_model: bool) -> None:
        """Make the conversation shorter, and tell of it."""
        ...

    async def reload(self) -> None:
        """Begin the conversation again from the log of the session, as it stands, after a rewind."""
        ...

    def clear(self) -> None:
        """Clear the screen; the conversation stays."""
        ...

    def raw(self, sequence: str) -> None:
        """Tell the terminal something that is not to be seen."""
        ...

    def messages(self) -> Sequence[Message]:
        """Give what the model is sent of the conversation, the oldest first."""
        ...

    def use_theme(self, theme: Theme) -> None:
        """Draw everything from now on in a theme."""
        ...

    def exit(self) -> None:
        """End the program, in order."""
        ...
