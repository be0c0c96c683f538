"""docs/tui.md numbers the flows that are tested in a terminal: all of them, and none that is not."""

import re
from pathlib import Path

from tests.support.processes import REPOSITORY
from vtcode.tui.commands import COMMANDS
from vtcode.tui.keys import KEYS

TEXT = (REPOSITORY / "docs" / "tui.md").read_text()
FOLDER = Path(__file__).parent


def test_each_flow_is_a_test_and_each_test_in_a_terminal_a_flow() -> None:
    told = re.findall(r"^\| (\d+) \| (.+) \| `(test_\w+\.py)` \|$", TEXT, re.MULTILINE)
    assert [int(number) for number, _, _ in told] == list(range(1, len(told) + 1))
    flows = {(file, _letters(words)) for _, words, file in told}
    tests = {
        (path.name, _letters(name))
        for path in FOLDER.glob("test_*.py")
        for name, body in re.findall(
            r"^def test_(\w+)(.*?)(?=^def |^@|\Z)", path.read_text(), re.MULTILINE | re.DOTALL
        )
        if " window(" in body and path != Path(__file__)
    }
    assert flows == tests


def _letters(words: str) -> str:
    return re.sub("[^a-z0-9]", "", words.lower())


def test_each_command_and_each_key_is_told_of() -> None:
    for command in COMMANDS:
        assert f"`/{command.name}`" in TEXT
    for key, _ in KEYS:
        for part in key.replace("\\ Enter", "").split(", "):
            assert part.split(" ")[0] in TEXT
