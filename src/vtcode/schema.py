"""Answers that a JSON Schema accepts: looked at here, whatever the server promised."""

import json
from pathlib import Path
from typing import Any, NoReturn, cast

import jsonschema.exceptions
import jsonschema.validators
import msgspec
import referencing
import referencing.exceptions

from vtcode.config import ConfigError
from vtcode.providers import JsonObject
from vtcode.text import visible

MAX_SCHEMA = 1 << 20
"""Bytes of a schema."""


class Answer(msgspec.Struct, frozen=True):
    """A reply that the schema accepts."""

    text: str
    """JSON in ASCII: the same value to a parser, and no control character for a terminal."""


class Mismatch(msgspec.Struct, frozen=True):
    """A reply that it does not accept."""

    where: str
    """JSON path: `$` is the whole."""
    why: str

    def __str__(self) -> str:
        return f"at {self.where}: {self.why}"


class Schema:
    """A schema, checked to be one."""

    def __init__(self, value: JsonObject) -> None:
        """Take a schema.

        Raises:
            ConfigError: when it is none; the sentence begins with what is wrong.
        """
        self.value = value
        kind = jsonschema.validators.validator_for(value, jsonschema.validators.Draft202012Validator)
        try:
            kind.check_schema(value)
        except jsonschema.exceptions.SchemaError as error:
            raise ConfigError(f"is not a JSON Schema: at {error.json_path}: {_short(error.message)}") from error
        # An empty registry: nothing that a schema refers to is fetched from anywhere.
        self._validator = kind(value, registry=referencing.Registry[Any]())

    @classmethod
    def read(cls, path: Path) -> "Schema":
        """Read a schema from a file.

        Raises:
            ConfigError: when it cannot be read or is none.
        """
        shown = visible(str(path), one_line=True)
        try:
            with path.open("rb") as file:
                content = file.read(MAX_SCHEMA + 1)
        except OSError as error:
            raise ConfigError(f"--schema: {shown} cannot be read ({error.strerror}). Name a file of JSON.") from error
        if len(content) > MAX_SCHEMA:
            raise ConfigError(f"--schema: {shown} is longer than {MAX_SCHEMA >> 20} MiB.")
        try:
            value = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"--schema: {shown} is not JSON: {_short(str(error))}") from error
        if not isinstance(value, dict):
            raise ConfigError(f"--schema: {shown} is not a JSON Schema: expected an object.")
        try:
            return cls(cast("JsonObject", value))
        except (ConfigError, RecursionError) as error:
            raise ConfigError(f"--schema: {shown} {error}") from error

    def judge(self, reply: str) -> Answer | Mismatch:
        """Look at a reply.

        Raises:
            ConfigError: when the schema refers to what is not in it.
        """
        text = _unfenced(reply)
        if not text:
            return Mismatch("$", "the reply is empty; expected JSON")
        try:
            value = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            return Mismatch("$", f"the reply is not JSON ({_short(str(error))})")
        try:
            error = max(self._validator.iter_errors(value), key=jsonschema.exceptions.relevance, default=None)
        except (referencing.exceptions.Unresolvable, RecursionError) as problem:
            what = _short(str(problem))
            raise ConfigError(f"--schema refers to what is not in it, and nothing is fetched: {what}") from problem
        if error is not None:
            return Mismatch(visible(error.json_path, one_line=True)[:200], _short(error.message))
        return Answer(json.dumps(value).replace("\x7f", "\\u007f"))


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _unfenced(reply: str) -> str:
    """Take the JSON out of a fence: servers that do not constrain the reply leave the model to write one."""
    text = reply.strip()
    if text.startswith("```") and text.endswith("```"):
        info, _, inside = text[3:-3].partition("\n")
        if info.strip() in {"", "json"}:
            return inside.strip()
    return text


def _short(message: str) -> str:
    text = visible(message, one_line=True)
    return text if len(text) <= 300 else f"{text[:200]} … {text[-90:]}"
