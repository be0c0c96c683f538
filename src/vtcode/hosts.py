"""How `[sandbox] network` writes a host."""

from typing import Final

_NAME: Final = r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?"
_ADDRESS: Final = r"\[[0-9a-fA-F:.]{2,45}\]"

HOST_RULE: Final = rf"^({_NAME}|{_ADDRESS})(:\d{{1,5}})?$"
"""`host`, `*.domain` or `[address]`, each with `:port` or without."""
