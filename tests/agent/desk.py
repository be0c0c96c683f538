"""A workspace, a home, and the configuration that is loaded from them."""

import subprocess
from pathlib import Path

import pytest

from tests.support.processes import clean_environment, run
from vtcode.config import ConfigError, load
from vtcode.settings import Settings


class Desk:
    """A workspace, a home, and what is loaded from them."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "work"
        self.home = folder / "home"
        self.root.mkdir()
        self.home.mkdir()
        self.environ = {"HOME": str(self.home)}

    def workspace(self, text: str, name: str = "vtcode.toml") -> Path:
        return self._write(self.root / name, text)

    def user(self, text: str) -> Path:
        return self._write(self.home / ".config" / "vtcode" / "vtcode.toml", text)

    def extra(self, text: str) -> Path:
        return self._write(self.home / "extra.toml", text)

    def load(self, *assignments: str, **flags: str) -> Settings:
        return load(self.root, self.environ, flags, assignments)

    def error(self, *assignments: str, **flags: str) -> str:
        with pytest.raises(ConfigError) as raised:
            self.load(*assignments, **flags)
        return str(raised.value)

    def vtcode(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(["vtcode", *arguments], clean_environment(self.home, self.environ), cwd=self.root)

    def trust(self) -> None:
        assert self.vtcode("trust", "--yes").returncode == 0

    def _write(self, path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path
