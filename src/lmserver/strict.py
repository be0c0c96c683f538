"""JSON as its specification has it and no looser, within bounds: what request bodies have to be."""

import json
from math import isfinite
from typing import Any, NoReturn

MAX_MEMBERS = 100_000
"""Members of one object: more than a bias for every token of a large vocabulary takes half of."""
MAX_VALUES = 1_000_000
"""Commas in a body, those in strings too. Each value but the first follows one, and each costs time and memory."""


class NotStrict(ValueError):
    """A body that is not JSON, or that two readers could take for two things; the text is the reason."""


def require_strict(body: bytes) -> None:
    """Look through a body before it is given a shape.

    The decoder with a shape passes over what it has no use for. Here nothing is passed over: text that is not
    UTF-8, half of a surrogate pair, a member that comes twice, a number that no double can hold.

    Raises:
        NotStrict: for what is not JSON, or is beyond the bounds.
    """
    try:
        if body.count(b",") > MAX_VALUES:
            raise NotStrict(f"it holds more than {MAX_VALUES} values")
        text = body.decode()
        if text.startswith("\ufeff"):
            raise NotStrict("it begins with a byte order mark")
        _decode(text)
    except UnicodeDecodeError as error:
        raise NotStrict(f"it is not UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise NotStrict(f"{error.msg} (line {error.lineno}, column {error.colno})") from error
    except RecursionError as error:
        raise NotStrict("it is nested too deeply") from error


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(members) > MAX_MEMBERS:
        raise NotStrict(f"an object in it has more than {MAX_MEMBERS} members")
    whole = dict(members)
    if len(whole) < len(members):
        seen: set[str] = set()
        twice = next(name for name, _ in members if name in seen or seen.add(name))
        raise NotStrict(f"the member {twice[:80]!a} comes twice in one object")
    return whole


def _integer(digits: str) -> int:
    # Beyond that nothing is a token, a seed or a count, and the conversion takes quadratic time.
    if len(digits) > 400:
        raise NotStrict("it holds a number that is too long")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise NotStrict("it holds a number that is too large")
    return number


def _constant(name: str) -> NoReturn:
    raise NotStrict(f"{name} is not JSON")


_decode = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
).decode
