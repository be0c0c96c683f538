"""What the default model can do in the agent, in tasks that its training knows nothing of.

    .venv/bin/python bench/default_model.py [--profile guided]

Runs `vtcode exec` on each task in a small workspace made for the run, with the real default model, and prints for
each: was the right tool among those called, were its arguments right, did the answer hold what was asked for. The
first group of tasks was used to choose the form of the guided profile's prompt; the second was not looked at then.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Task:
    text: str
    tool: str
    argument: str
    """Must stand in the call's arguments."""
    answer: str
    """Must stand in the answer."""


ORCHARD = {
    "pyproject.toml": '[project]\nname = "orchard"\nversion = "0.4.2"\nrequires-python = ">=3.11"\n',
    "README.md": "# Orchard\n\nKeeps stock of fruit. Run the tests with `python -m unittest`.\n\nLicence: MIT\n",
    "orchard/stock.py": "MAX_CRATES = 40\n\n\ndef total(crates):\n    return sum(crates.values())\n",
    "tests/test_stock.py": "from orchard.stock import total\n\n\ndef test_total():\n    assert total({'a': 2})\n",
    "package.json": '{\n  "name": "orchard-web",\n  "version": "1.9.0",\n  "license": "ISC"\n}\n',
}
HARBOUR = {
    "setup.cfg": "[metadata]\nname = harbour\nversion = 2.3\nauthor = The Harbour team\n",
    "docs/guide.md": "# Harbour guide\n\nBoats dock at the pier.\n",
    "src/pier.py": "PIER_LENGTH = 120\n\n\ndef dock(boat):\n    return boat\n",
    "src/crane.py": "def lift(box, height=3):\n    return box\n",
    "config.yaml": "port: 9000\nhost: sea.local\n",
}
GROUPS: dict[str, tuple[dict[str, str], list[Task]]] = {
    "seen": (
        ORCHARD,
        [
            Task("What is the project name in pyproject.toml?", "read_file", "pyproject.toml", "orchard"),
            Task("What version is in package.json?", "read_file", "package.json", "1.9.0"),
            Task("What is MAX_CRATES in orchard/stock.py?", "read_file", "orchard/stock.py", "40"),
            Task("Which licence does README.md name?", "read_file", "README.md", "MIT"),
            Task("What is the project version in pyproject.toml?", "read_file", "pyproject.toml", "0.4.2"),
            Task("Which Python does pyproject.toml require?", "read_file", "pyproject.toml", "3.11"),
            Task("Tell me the name in package.json", "read_file", "package.json", "orchard-web"),
            Task("List the files in tests", "list_files", "tests", "test_stock.py"),
            Task("Where is total defined?", "grep_file", "total", "stock.py"),
            Task("Run python -m unittest", "run_terminal_cmd", "python -m unittest", "exit code"),
            Task("Write hello to notes.txt", "write_file", "notes.txt", "notes.txt"),
            Task(
                "In orchard/stock.py change MAX_CRATES = 40 to MAX_CRATES = 50",
                "edit_file",
                "MAX_CRATES = 50",
                "50",
            ),
        ],
    ),
    "held out": (
        HARBOUR,
        [
            Task("What is the port in config.yaml?", "read_file", "config.yaml", "9000"),
            Task("What is the name in setup.cfg?", "read_file", "setup.cfg", "harbour"),
            Task("Show me the version number in setup.cfg", "read_file", "setup.cfg", "2.3"),
            Task("How long is the pier in src/pier.py?", "read_file", "src/pier.py", "120"),
            Task("Read config.yaml. Which host does it name?", "read_file", "config.yaml", "sea.local"),
            Task("what is the default height in src/crane.py", "read_file", "src/crane.py", "3"),
            Task("What does docs/guide.md say?", "read_file", "docs/guide.md", "dock"),
            Task("Which files are in src?", "list_files", "src", "crane"),
            Task("Find where lift is defined", "grep_file", "lift", "crane.py"),
            Task("Search for PIER_LENGTH", "grep_file", "PIER_LENGTH", "pier.py"),
            Task("Please run the command ls -l src", "run_terminal_cmd", "ls -l src", "exit code"),
            Task("Create a file called todo.md with the text buy rope", "write_file", "buy rope", "todo.md"),
        ],
    ),
}


def attempt(task: Task, workspace: Path, profile: str) -> tuple[bool, bool, bool, str]:
    """Run one task; tell whether tool, argument and answer are right, and what was called."""
    config = workspace.parent / "vtcode.toml"
    config.write_text(f'[agent]\nprofile = "{profile}"\nmax_turns = 4\n')
    command = [
        str(BIN / "vtcode"),
        "exec",
        "--embedded",
        "--full-auto",
        "--json",
        "--config",
        str(config),
        task.text,
    ]
    ended = subprocess.run(command, cwd=workspace, capture_output=True, text=True, timeout=300, check=False)
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    calls = [event["call"] for event in events if event["type"] == "tool.finished"]
    answer = next((event["text"] for event in events if event["type"] == "turn.finished"), "")
    fitting = [call["arguments"].replace('\\"', '"') for call in calls if call["name"] == task.tool]
    tool, argument = bool(fitting), any(task.argument in arguments for arguments in fitting)
    shown = "; ".join(f"{call['name']} {call['arguments']}" for call in calls) or "no call"
    return tool, argument, task.answer in answer, f"{shown} | {answer!r}"[:250]


def main() -> None:
    """Run both groups and print a line a task and a sum a group."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="auto", choices=["auto", "guided", "compact", "full"])
    profile = parser.parse_args().profile
    for group, (files, tasks) in GROUPS.items():
        totals = [0, 0, 0]
        for task in tasks:
            with tempfile.TemporaryDirectory() as folder:
                workspace = Path(folder) / "work"
                for name, text in files.items():
                    (workspace / name).parent.mkdir(parents=True, exist_ok=True)
                    (workspace / name).write_text(text)
                *hits, shown = attempt(task, workspace, profile)
            totals = [total + bool(hit) for total, hit in zip(totals, hits, strict=True)]
            print("".join("x" if hit else "." for hit in hits), task.text, "→", shown, flush=True)
        tool, argument, answer = totals
        print(
            f"{group}: of {len(tasks)} tasks, right tool {tool}, right argument {argument}, right answer {answer}\n"
        )


if __name__ == "__main__":
    main()
