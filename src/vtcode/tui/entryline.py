"""One line that is edited, as much of it as there is room for, its cursor in view."""

from prompt_toolkit.utils import get_cwidth

from vtcode.text import visible
from vtcode.tui.panel import Entry
from vtcode.tui.wrap import cut, width_of


def entry_line(entry: Entry, width: int) -> tuple[str, int]:
    """Give what is seen of it, safe and no wider than `width`, and the cursor's column there."""
    # No letter is shown by more than one character of these, so that a long text costs no more than a short one.
    before = visible(entry.text[max(0, entry.at - width * 4) : entry.at], one_line=True)
    after = visible(entry.text[entry.at : entry.at + width * 4], one_line=True)
    used, start = 0, len(before)
    while start and used + max(0, get_cwidth(before[start - 1])) < width:
        start -= 1
        used += max(0, get_cwidth(before[start]))
    before = before[start:]
    return cut(before + after, width), min(max(0, width - 1), width_of(before))
