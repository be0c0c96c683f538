"""The two commands' first doors."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import clean_environment, run


@pytest.mark.parametrize(("command", "package"), [("vtcode", "vtcode"), ("lmstudio", "lmserver")])
def test_the_version_is_answered_before_anything_is_imported(command: str, package: str, home: Path) -> None:
    ended = run([command, "--version"], clean_environment(home))
    assert ended.returncode == 0 and ended.stdout.startswith(f"{command} 0.")
    code = (
        f"import sys; sys.argv = ['x', '--version']; from {package}.__main__ import main; main(); "
        "print(*sorted(m for m in sys.modules if m.split('.')[0] in "
        "{'vtcode', 'lmserver', 'lmwire', 'msgspec', 'argparse', 'asyncio', 'httpx2', 'starlette'}))"
    )
    loaded = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.splitlines()[1].split() == [package, f"{package}.__main__"]


@pytest.mark.parametrize("command", ["vtcode", "lmstudio"])
def test_help_has_examples(command: str, home: Path) -> None:
    ended = run([command, "--help"], clean_environment(home))
    assert ended.returncode == 0 and "examples:" in ended.stdout


@pytest.mark.parametrize(
    "arguments", [["vtcode", "--nonsense"], ["lmstudio"], ["lmstudio", "server", "start", "--port", "x"]]
)
def test_wrong_usage_is_status_2(arguments: list[str], home: Path) -> None:
    ended = run(arguments, clean_environment(home))
    assert ended.returncode == 2 and ended.stdout == "" and "Traceback" not in ended.stderr
