"""Which key does what, in the editor and around it."""

from collections.abc import Sequence
from typing import Final, Protocol

from prompt_toolkit.filters import Condition, vi_insert_mode, vi_mode
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

KEYS: Final[Sequence[tuple[str, str]]] = (
    ("Enter", "send; while the agent works, queue"),
    ("Alt-Enter, Ctrl-J, \\ Enter", "a new line"),
    ("Esc", "interrupt the turn; close a menu"),
    ("Esc Esc", "go back to an earlier turn (/rewind)"),
    ("Ctrl-C", "clear the text, or interrupt; twice to exit"),
    ("Ctrl-D", "exit, when nothing is typed"),
    ("Up, Down", "earlier texts, at the first and last line; Up takes back what is queued"),
    ("Ctrl-R", "search what was typed, in all sessions"),
    ("Tab", "complete a command or a file"),
    ("Ctrl-O", "open what was folded last, whole"),
    ("Ctrl-G", "write in $VISUAL or $EDITOR"),
    ("Ctrl-_", "undo"),
    ("Ctrl-L", "clear the screen"),
    ("Ctrl-Z", "put vtcode aside; `fg` brings it back"),
    ("/", "commands"),
    ("@", "mention a file"),
    ("!", "run a command in the sandbox"),
    ("#", "add a note to AGENTS.md"),
)
"""For the table of keys."""

_NAMES: Final = {"c-m": "enter", "c-i": "tab", "c-h": "backspace", "<sigint>": "c-c"}


class Hands(Protocol):
    """What keys can do."""

    def has_panel(self) -> bool: ...
    def has_menu(self) -> bool: ...
    def press(self, key: str) -> None: ...
    def paste(self, text: str) -> None: ...
    def enter(self) -> None: ...
    def newline(self) -> None: ...
    def escape(self) -> None: ...
    def interrupt(self) -> None: ...
    def end(self) -> None: ...
    def up(self) -> None: ...
    def down(self) -> None: ...
    def complete(self) -> None: ...
    def search(self) -> None: ...
    def open_folded(self) -> None: ...
    def edit_outside(self) -> None: ...
    def clear(self) -> None: ...
    def put_aside(self) -> None: ...
    def rub_out(self) -> None: ...
    def is_empty(self) -> bool: ...


def bindings(hands: Hands) -> KeyBindings:
    """Bind the keys; those of Emacs and Vi for editing are prompt_toolkit's own."""
    keys = KeyBindings()
    panel = Condition(hands.has_panel)
    menu = Condition(hands.has_menu)
    empty = Condition(hands.is_empty)
    typing = ~panel & (~vi_mode | vi_insert_mode)

    @keys.add(Keys.Any, filter=panel, eager=True)
    def _panel(event: KeyPressEvent) -> None:
        for press in event.key_sequence:
            key = press.key.value if isinstance(press.key, Keys) else press.key
            if key == Keys.BracketedPaste.value:
                hands.paste(press.data)
            else:
                hands.press(_NAMES.get(key, key))

    @keys.add(Keys.BracketedPaste, filter=~panel)
    def _paste(event: KeyPressEvent) -> None:
        hands.paste(event.data)

    @keys.add("enter", filter=~panel)
    def _enter(event: KeyPressEvent) -> None:
        del event
        hands.enter()

    @keys.add("escape", "enter", filter=~panel)
    @keys.add("c-j", filter=~panel)
    def _newline(event: KeyPressEvent) -> None:
        del event
        hands.newline()

    @keys.add("escape", filter=~panel & ~(vi_insert_mode & ~menu))
    def _escape(event: KeyPressEvent) -> None:
        del event
        hands.escape()

    @keys.add("c-c", filter=~panel)
    @keys.add(Keys.SIGINT, filter=~panel)
    def _interrupt(event: KeyPressEvent) -> None:
        del event
        hands.interrupt()

    @keys.add("c-d", filter=~panel & empty)
    def _end(event: KeyPressEvent) -> None:
        del event
        hands.end()

    @keys.add("up", filter=~panel)
    @keys.add("c-p", filter=typing)
    def _up(event: KeyPressEvent) -> None:
        del event
        hands.up()

    @keys.add("down", filter=~panel)
    @keys.add("c-n", filter=typing)
    def _down(event: KeyPressEvent) -> None:
        del event
        hands.down()

    @keys.add("tab", filter=typing)
    def _complete(event: KeyPressEvent) -> None:
        del event
        hands.complete()

    @keys.add("c-r", filter=typing)
    def _search(event: KeyPressEvent) -> None:
        del event
        hands.search()

    @keys.add("c-o", filter=~panel)
    def _open_folded(event: KeyPressEvent) -> None:
        del event
        hands.open_folded()

    @keys.add("c-g", filter=typing)
    @keys.add("c-x", "c-e", filter=typing)
    def _edit_outside(event: KeyPressEvent) -> None:
        del event
        hands.edit_outside()

    @keys.add("c-l", filter=~panel)
    def _clear(event: KeyPressEvent) -> None:
        del event
        hands.clear()

    @keys.add("c-z", filter=~panel)
    def _put_aside(event: KeyPressEvent) -> None:
        del event
        hands.put_aside()

    @keys.add("backspace", filter=typing)
    def _rub_out(event: KeyPressEvent) -> None:
        del event
        hands.rub_out()

    return keys
