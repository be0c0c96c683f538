"""What of a reply is shown while it comes: all, nothing, or what a profile finds in it."""

from collections.abc import Callable

Shown = Callable[[str], str]
"""Takes the pieces of one reply, and gives of each what the person is to see."""


def everything(text: str) -> str:
    """Show all that is said."""
    return text


def nothing(text: str) -> str:
    """Show none of it, for a reply that is to be a call."""
    return ""
