"""What a member of a request may be, where the parser only says that a value is none of the possible ones."""

import re
from collections.abc import Iterator

from msgspec import inspect

_STEP = re.compile(r"\[[^\]]*\]|[^.\[\]]+")


def values_at(kind: type, path: str) -> list[str]:
    """List the strings that can stand at a path, such as `messages[0].role`, of a struct; none where any can."""
    here = list(_alternatives(inspect.type_info(kind)))
    for step in _STEP.findall(path):
        here = [deeper for each in here for found in _member(each, step) for deeper in _alternatives(found)]
    return sorted({str(value) for each in here if isinstance(each, inspect.LiteralType) for value in each.values})


def _alternatives(kind: inspect.Type) -> Iterator[inspect.Type]:
    match kind:
        case inspect.UnionType():
            for each in kind.types:
                yield from _alternatives(each)
        case inspect.Metadata():
            yield from _alternatives(kind.type)
        case _:
            yield kind


def _member(kind: inspect.Type, step: str) -> Iterator[inspect.Type]:
    match kind:
        case inspect.ListType() | inspect.VarTupleType() if step.startswith("["):
            yield kind.item_type
        case inspect.DictType() if step.startswith("["):
            yield kind.value_type
        case inspect.StructType():
            if kind.tag is not None and step == kind.tag_field:
                yield inspect.LiteralType((kind.tag,))
            for field in kind.fields:
                if field.encode_name == step:
                    yield field.type
        case _:
            pass
