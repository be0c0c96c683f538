"""Reads the outline of an ONNX file within bounds: what goes in and out, and where its weights are.

An ONNX file is a protobuf message (onnx.proto, `ModelProto`). Only the few fields that are needed are read; the
weights are skipped, and nothing of the graph is run.
"""

import math
import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from lmserver.errors import BadModelFile

MAX_FIELDS = 1_000_000
"""Fields that are looked at in one file; the graphs of large models have some hundred thousand."""
MAX_TEXT = 1024
"""Bytes of a name."""
MAX_WEIGHTS = 1 << 44

_BYTES = 2
"""The wire type of texts, messages and packed numbers."""
_TYPES = {1: "F32", 2: "UINT8", 3: "INT8", 10: "F16", 16: "BF16", 21: "UINT4", 22: "INT4"}
"""The types that weights have, by `TensorProto.DataType`."""


class OnnxOutline(msgspec.Struct, frozen=True):
    """What an ONNX file says about itself."""

    inputs: tuple[str, ...]
    """Names of what has to be given, without the weights."""
    outputs: tuple[str, ...]
    operators: frozenset[str]
    weights: Counter[str]
    """How many weights there are of each type."""
    locations: frozenset[str]
    """Names of other files that hold weights of this one, as they are written; they can be anything."""


_Field = tuple[int, int, int, int]
"""Number, wire type, value (of a varint) or where the content begins, and where it ends."""


def read_outline(path: Path) -> OnnxOutline:
    """Read an ONNX file's outline.

    Raises:
        BadModelFile: when it is no regular file, cannot be read, or breaks a rule of the format or a bound.
    """
    try:
        # Not to wait for whoever writes into a pipe of this name.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BadModelFile(f"{path.name} is not a regular file")
            return _Reader(file, status.st_size).outline()
    except OSError as error:
        raise BadModelFile(f"{path.name} cannot be read ({error.strerror})") from error
    except _Malformed as error:
        raise BadModelFile(f"{path.name} is not an ONNX file: {error}") from error


class _Malformed(Exception):
    pass


class _Weights:
    def __init__(self) -> None:
        self.names: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.locations: set[str] = set()


class _Reader:
    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._size = size
        self._left = MAX_FIELDS

    def outline(self) -> OnnxOutline:
        graphs = [field for field in self._fields(0, self._size) if field[0] == 7 and field[1] == _BYTES]
        if len(graphs) != 1:
            raise _Malformed("it holds no graph" if not graphs else "it holds several graphs")
        given: list[str] = []
        outputs: list[str] = []
        operators: set[str] = set()
        weights = _Weights()
        for number, wire, begin, end in self._fields(*graphs[0][2:]):
            if wire != _BYTES:
                continue
            match number:
                case 1:
                    operators.add(self._named(begin, end, 4))
                case 5:
                    self._add_tensor(weights, begin, end)
                case 11:
                    given.append(self._named(begin, end, 1))
                case 12:
                    outputs.append(self._named(begin, end, 1))
                case _:
                    pass
        return OnnxOutline(
            # Old files list the weights among the inputs.
            inputs=tuple(name for name in given if name not in weights.names),
            outputs=tuple(outputs),
            operators=frozenset(operators),
            weights=weights.counts,
            locations=frozenset(weights.locations),
        )

    def _add_tensor(self, weights: "_Weights", begin: int, end: int) -> None:
        count, kind = 1, 0
        for number, wire, first, last in self._fields(begin, end):
            match number, wire:
                case 1, 0:
                    count *= first
                case 1, 2:
                    if last - first > MAX_TEXT:
                        raise _Malformed("a tensor in it has more dimensions than any tensor")
                    count *= math.prod(self._varints(first, last))
                case 2, 0:
                    kind = first
                case 8, 2:
                    weights.names.add(self._text(first, last))
                case 13, 2:
                    # StringStringEntryProto: key and value.
                    if self._named(first, last, 1) == "location":
                        weights.locations.add(self._named(first, last, 2))
                case _:
                    pass
            if count > MAX_WEIGHTS:
                raise _Malformed("a tensor in it is larger than any model")
        weights.counts[_TYPES.get(kind, "other")] += count

    def _named(self, begin: int, end: int, which: int) -> str:
        """Read the text in field `which` of the message between `begin` and `end`."""
        for number, wire, first, last in self._fields(begin, end):
            if number == which and wire == _BYTES:
                return self._text(first, last)
        return ""

    def _text(self, begin: int, end: int) -> str:
        if end - begin > MAX_TEXT:
            raise _Malformed("a name in it is longer than any name")
        self._file.seek(begin)
        return self._file.read(end - begin).decode(errors="replace")

    def _fields(self, begin: int, end: int) -> Iterator[_Field]:
        at = begin
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise _Malformed(f"it has more than {MAX_FIELDS:,} fields")
            key, at = self._varint(at, end)
            number, wire = key >> 3, key & 7
            if number == 0:
                raise _Malformed("a field in it has no number")
            match wire:
                case 0:
                    value, at = self._varint(at, end)
                    yield number, wire, value, at
                    continue
                case 1:
                    stop = at + 8
                case 2:
                    length, at = self._varint(at, end)
                    stop = at + length
                case 5:
                    stop = at + 4
                case _:
                    raise _Malformed("a field in it has no known type")
            if stop > end:
                raise _Malformed("a field in it reaches beyond its end")
            yield number, wire, at, stop
            at = stop

    def _varints(self, begin: int, end: int) -> Iterator[int]:
        at = begin
        while at < end:
            value, at = self._varint(at, end)
            yield value

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        self._file.seek(at)
        value = 0
        for index, byte in enumerate(self._file.read(min(10, end - at))):
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                return value, at + index + 1
        raise _Malformed("a number in it has no end")
