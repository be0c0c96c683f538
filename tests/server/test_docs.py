"""The examples of docs/server.md do what the lines after them say."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmserver.app import ENDPOINTS
from tests.support.processes import REPOSITORY, RunningServer, clean_environment, running_server

TEXT = (REPOSITORY / "docs" / "server.md").read_text()
EXAMPLES = re.findall(r"```bash\n(.*?)```\n\nHolds (.*?)\.\n", TEXT, re.DOTALL)
# A status that is an error ends the example.
CURL = 'set -euo pipefail; curl() { command curl --silent --show-error --fail-with-body --max-time 60 "$@"; }\n'


@pytest.fixture(scope="module")
def server(models: Path, other_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("home")
    (home / "models").mkdir()
    for publisher in (models / "HuggingFaceTB", other_models / "sentence-transformers"):
        (home / "models" / publisher.name).symlink_to(publisher)
    environment = clean_environment(home)
    with running_server(environment, home / "server.log") as server:
        yield server


@pytest.mark.parametrize(("example", "holds"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_does_what_is_said_of_it(server: RunningServer, example: str, holds: str) -> None:
    command = CURL + example.replace("http://localhost:1234", server.root)
    ended = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=100, check=False, stdin=subprocess.DEVNULL
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    wanted = re.findall(r"`([^`]+)`", holds)
    assert wanted
    for part in wanted:
        assert part in ended.stdout


def test_every_example_says_what_it_holds() -> None:
    assert len(EXAMPLES) == TEXT.count("```bash") >= 14


def test_every_route_that_the_banner_shows_has_an_example() -> None:
    for endpoint in ENDPOINTS:
        if endpoint.is_listed:
            assert f"localhost:1234{endpoint.path}".partition("{")[0] in TEXT, endpoint.path


def test_no_line_is_too_long_to_read() -> None:
    assert max(map(len, TEXT.splitlines())) <= 122 and TEXT.count("\n") <= 300


def test_every_module_has_its_line_in_the_architecture() -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    tables = re.findall(r"\| `src/([a-z/]+)/`.*?\|\n\|---\|---\|\n((?:\|.*\n)+)", text)
    listed: list[str] = []
    for folder, rows in tables:
        for row in rows.splitlines():
            names: list[str] = re.findall(r"`([a-z_/]+\.py)`", row.split("|")[1])
            listed += [f"{folder}/{name}" for name in names]
    # The agent's commands are a folder whose names say all.
    ours = [name for name in listed if not name.startswith("vtcode/commands/")]
    assert len(set(ours)) == len(ours)
    source = REPOSITORY / "src"
    there = {
        str(path.relative_to(source))
        for package in ("lmserver", "lmwire", "vtcode")
        for path in (source / package).rglob("*.py")
        if path.name != "__main__.py" and len(path.read_text().splitlines()) > 6
        if path.parent != source / "vtcode" / "commands"
    }
    assert set(ours) == there
