"""One finished block of Markdown as lines: paragraphs, headings, lists, quotes and tables."""

import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from vtcode.tui.highlight import Highlighter
from vtcode.tui.theme import Role, Theme
from vtcode.tui.wrap import fit, width_of, wrap

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

_RULE: Final = 40
_LEAST_COLUMN: Final = 6
"""Columns of the screen below which a column of a table cannot be read."""
_MOST_COLUMNS: Final = 30
_STYLES: Final[dict[str, Role]] = {"em": "em", "strong": "strong", "s": "struck"}


@functools.cache
def _parser() -> "MarkdownIt":
    # Slow to import, and not needed before the model says something.
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def render_block(source: str, theme: Theme, width: int) -> list[str]:
    """Draw Markdown that is whole (CommonMark, with the tables and the strikethrough of GitHub).

    Args:
        source: safe to show; sequences of HTML are shown as they stand.
        width: columns.
    """
    from markdown_it.tree import SyntaxTreeNode

    root = SyntaxTreeNode(_parser().parse(source))
    return _stacked(root.children, theme, width)


def _stacked(nodes: Sequence["SyntaxTreeNode"], theme: Theme, width: int, *, is_tight: bool = False) -> list[str]:
    lines: list[str] = []
    for node in nodes:
        if lines and not (is_tight or node.type == "list_item"):
            lines.append("")
        lines += _block(node, theme, max(1, width))
    return lines


def _block(node: "SyntaxTreeNode", theme: Theme, width: int) -> list[str]:
    match node.type:
        case "paragraph":
            return wrap(_inline(node, theme), width)
        case "heading":
            return wrap(_inline(node, theme, ("heading",)), width)
        case "bullet_list" | "ordered_list":
            return list(_items(node, theme, width))
        case "blockquote":
            inner = _stacked(node.children, theme, width - 2)
            return [theme.paint("quote", "│ ") + line for line in inner]
        case "hr":
            return [theme.paint("dim", "─" * min(width, _RULE))]
        case "fence" | "code_block":
            code = node.content.removesuffix("\n").split("\n")
            drawn = Highlighter(node.info.split(" ")[0] if node.type == "fence" else "", theme).lines(code)
            return [row for line in drawn for row in wrap(line, width)]
        case "table":
            return _table(node, theme, width)
        case _:
            return wrap(node.content, width) if node.content else []


def _items(node: "SyntaxTreeNode", theme: Theme, width: int) -> Iterator[str]:
    number = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
    for at, item in enumerate(node.children):
        sign = "• " if number is None else f"{number + at}. "
        is_tight = all(child.hidden for child in item.children if child.type == "paragraph")
        lines = _stacked(item.children, theme, width - len(sign), is_tight=is_tight)
        for row, line in enumerate(lines or [""]):
            yield (theme.paint("accent", sign) if row == 0 else " " * len(sign) if line else "") + line


def _inline(node: "SyntaxTreeNode", theme: Theme, roles: tuple[Role, ...] = ()) -> str:
    return "".join(_spans(node.children, theme, roles))


def _spans(nodes: Sequence["SyntaxTreeNode"], theme: Theme, roles: tuple[Role, ...]) -> Iterator[str]:
    for node in nodes:
        match node.type:
            case "inline":
                yield from _spans(node.children, theme, roles)
            case "text":
                yield theme.layer(roles, node.content)
            case "softbreak" | "hardbreak":
                # As it was written: models break lines where they mean it.
                yield "\n"
            case "code_inline":
                yield theme.layer((*roles, "code"), node.content)
            case "em" | "strong" | "s":
                yield from _spans(node.children, theme, (*roles, _STYLES[node.type]))
            case "link" | "image":
                # The address is shown, since the text may say another.
                target = str(node.attrs.get("href", node.attrs.get("src", "")))
                label = node.content if node.type == "image" else "".join(_spans(node.children, theme, ()))
                if label and label != target:
                    yield theme.layer((*roles, "link"), label) + theme.layer((*roles, "dim"), f" ({target})")
                else:
                    yield theme.layer((*roles, "link"), target)
            case _:
                yield theme.layer(roles, node.content)


# Tables --------------------------------------------------------------------------------------------------


def _table(node: "SyntaxTreeNode", theme: Theme, width: int) -> list[str]:
    rows: list[list[str]] = []
    aligned = [str(cell.attrs.get("style", "")).rpartition(":")[2] for cell in node.children[0].children[0].children]
    for part in node.children:
        for row in part.children:
            roles: tuple[Role, ...] = ("strong",) if part.type == "thead" else ()
            rows.append([_inline(cell, theme, roles).replace("\n", " ") for cell in row.children])
    head, *body = rows
    between = 3
    room = width - between * (len(head) - 1)
    if len(head) > _MOST_COLUMNS or room < _LEAST_COLUMN * len(head):
        return _records(head, body, theme, width)
    widths = _shared([max(width_of(row[at]) for row in rows) for at in range(len(head))], room)
    rule = theme.paint("dim", "─┼─".join("─" * columns for columns in widths))
    bar = theme.paint("dim", " │ ")
    lines = [_row(row, widths, aligned, bar) for row in (head, *body)]
    return [*lines[0], rule, *(line for row in lines[1:] for line in row)]


def _shared(wanted: list[int], room: int) -> list[int]:
    """Give each column what it needs, and less to the widest ones where there is not enough."""
    widths = [max(1, columns) for columns in wanted]
    over = sum(widths) - room
    while over > 0:
        most = max(widths)
        widest = [at for at, columns in enumerate(widths) if columns == most]
        below = max((columns for columns in widths if columns < most), default=1)
        # All of the widest ones down to the next, or as far as is needed.
        step = min(most - below, max(1, over // len(widest)))
        for at in widest[: over if over < len(widest) else None]:
            widths[at] -= step
        over = sum(widths) - room
    return widths


def _row(cells: Sequence[str], widths: Sequence[int], aligned: Sequence[str], bar: str) -> list[str]:
    wrapped = [wrap(cell, columns) for cell, columns in zip(cells, widths, strict=False)]
    height = max((len(lines) for lines in wrapped), default=0)
    return [
        bar.join(
            _placed(lines[at] if at < len(lines) else "", columns, align)
            for lines, columns, align in zip(wrapped, widths, aligned, strict=False)
        ).rstrip()
        for at in range(height)
    ]


def _placed(text: str, columns: int, align: str) -> str:
    left = max(0, columns - width_of(text))
    before = {"right": left, "center": left // 2}.get(align, 0)
    return " " * before + fit(text, columns - before)


def _records(head: Sequence[str], body: Sequence[Sequence[str]], theme: Theme, width: int) -> list[str]:
    """Draw a table that is too wide as a list of its rows."""
    lines: list[str] = []
    for row in body:
        if lines:
            lines.append(theme.paint("dim", "─" * min(width, _RULE)))
        for name, cell in zip(head, row, strict=False):
            lines += wrap(f"{name}: {cell}", width, "  ", "")
    return lines or [" ".join(head)]
