"""A user's home in which `vtcode mcp` is run, and a server to add there."""

import subprocess
import sys
from pathlib import Path

from tests.support.processes import REPOSITORY, clean_environment, run

SERVER = ("--env", f"PYTHONPATH={REPOSITORY}", "--", sys.executable, "-m", "tests.support.mcp_server")


class Home:
    """A user's home with a workspace."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "work"
        self.workspace.mkdir(exist_ok=True)
        self.file = folder / ".config" / "vtcode" / "vtcode.toml"
        self.environment = clean_environment(folder)

    def mcp(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(["vtcode", "mcp", *arguments], self.environment, cwd=self.workspace)

    def write(self, text: str) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(text)
