"""/theme."""

import tomllib

import msgspec

from vtcode.places import user_file
from vtcode.tomledit import TomlError, replace_text, with_value
from vtcode.tui.chooser import Chooser, Row
from vtcode.tui.desk import Desk
from vtcode.tui.theme import THEMES, Theme, named


async def theme(desk: Desk, arguments: str) -> None:
    """Choose the colours; the choice is kept in the person's vtcode.toml."""
    before = desk.theme
    if arguments:
        chosen = named(arguments)
        if chosen is None:
            known = ", ".join(theme.name for theme in THEMES)
            desk.fail(f"There is no theme {arguments}. There are: {known}.")
            return
    else:
        rows = [Row(theme, theme.name, theme.about) for theme in THEMES]

        def preview(theme: Theme) -> None:
            desk.use_theme(_deep(theme, before))
            chooser.theme = desk.theme

        start = named(before.name)
        chooser = Chooser(
            "Theme", rows, before, note="Each is shown as you come to it.", on_highlight=preview, start=start
        )
        chosen = await desk.show(chooser)
        if chosen is None:
            desk.use_theme(before)
            return
    desk.use_theme(_deep(chosen, before))
    path = user_file(desk.environ)
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        replace_text(path, with_value(text, ("ui",), "theme", chosen.name))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TomlError) as error:
        desk.fail(f"The theme holds until vtcode ends; it could not be kept in {path}: {error}.")
    else:
        desk.say(f"The theme is {chosen.name}, now and from now on ({path}).")


def _deep(theme: Theme, like: Theme) -> Theme:
    return msgspec.structs.replace(theme, depth=like.depth)
