"""Reads JSON that a server or a model wrote, so that whatever is wrong with it is one error."""

import re
from typing import Final, TypeVar

import msgspec

T = TypeVar("T")

# A half of a pair that stands alone: it is no character, and no UTF-8 can hold it.
_PAIR_OR_HALF: Final = re.compile(
    r"(?P<other>\\[^u])|\\u[dD][89abAB][0-9a-fA-F]{2}(?P<low>\\u[dD][c-fC-F][0-9a-fA-F]{2})?|\\u[dD][c-fC-F]..",
    re.DOTALL,
)


def decode(data: str | bytes, kind: type[T]) -> T:
    """Read a value; characters that cannot be are replaced.

    Raises:
        msgspec.MsgspecError: when it is not JSON, not of that kind, or nested beyond all reason.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except RecursionError as error:
        raise msgspec.DecodeError("it is nested too deeply") from error
    except (msgspec.MsgspecError, UnicodeError):
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        mended = _PAIR_OR_HALF.sub(_mend, text).encode("utf-8", "replace")
        if mended == data:
            raise
        try:
            return msgspec.json.decode(mended, type=kind)
        except RecursionError as error:
            raise msgspec.DecodeError("it is nested too deeply") from error


def _mend(found: re.Match[str]) -> str:
    return found.group() if found["other"] or found["low"] else "\\ufffd"
