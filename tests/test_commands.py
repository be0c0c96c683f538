"""The two commands' first doors."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import BIN, clean_environment, run


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


@pytest.mark.parametrize("workspace", ["/nowhere", "/etc/hostname", "x" * 5000])
def test_a_workspace_that_is_no_folder_is_named(home: Path, workspace: str) -> None:
    ended = run(["vtcode", "exec", "--workspace", workspace, "hi"], clean_environment(home), cwd=home)
    assert ended.returncode == 2 and "--workspace" in ended.stderr and "Traceback" not in ended.stderr


def test_a_link_to_itself_is_no_workspace(home: Path) -> None:
    (home / "loop").symlink_to("loop")
    ended = run(["vtcode", "exec", "--workspace", "loop", "hi"], clean_environment(home), cwd=home)
    assert ended.returncode == 2 and "loop cannot be the workspace" in ended.stderr


def test_a_folder_that_was_deleted_is_no_workspace(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    command = f"rmdir {folder}; {BIN / 'vtcode'} exec hi"
    ended = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=clean_environment(home), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2 and "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "arguments", [["vtcode", "--nonsense"], ["lmstudio"], ["lmstudio", "server", "start", "--port", "x"]]
)
def test_wrong_usage_is_status_2(arguments: list[str], home: Path) -> None:
    ended = run(arguments, clean_environment(home))
    assert ended.returncode == 2 and ended.stdout == "" and "Traceback" not in ended.stderr
