"""What the default model can do in the agent, in tasks that its training knows nothing of.

    .venv/bin/python bench/default_model.py [--group terse] [--kind assign] [--profile guided]

Runs `vtcode exec` on each task of `bench/tasks.json`, in a copy of the task's small workspace, with the real default
model. A line a task tells whether the right tool was called, with the right argument, and whether the outcome is
right: what is asked for stands in the answer, and each file is exactly as wanted. Of talk, it is right that nothing
is called. The group "shown" served to choose the form of the guided profile's prompt; all others were written by
somebody who had seen neither the training nor that prompt.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Final

import msgspec

BIN: Final = Path(sys.executable).parent
TASKS: Final = Path(__file__).with_name("tasks.json")
FIGURES: Final = ("right tool", "right argument", "right outcome")


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked, and what is to come of it."""

    workspace: str
    kind: str
    text: str
    tool: str | None
    """Must be called; None: nothing may be."""
    argument: str | None
    """Must stand in the call's arguments."""
    answer: tuple[str, ...]
    """Must stand in the answer, in whatever case."""
    after: dict[str, str] | None = None
    """The files that change, as they must be at the end; how they end in line breaks does not count."""


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tasks of one author, and the workspaces that they are set in."""

    workspaces: dict[str, dict[str, str]]
    tasks: tuple[Task, ...]


class Run(msgspec.Struct, frozen=True):
    """What came of a task."""

    calls: tuple[tuple[str, str], ...]
    """Tools and their arguments, as JSON."""
    answer: str
    files: dict[str, str]

    def __str__(self) -> str:
        calls = "; ".join(f"{name} {arguments}" for name, arguments in self.calls) or "no call"
        return f"{calls} | {self.answer!r}"[:300]


def attempt(task: Task, files: dict[str, str], profile: str) -> Run:
    """Run one task in a workspace of its own."""
    with tempfile.TemporaryDirectory() as folder:
        workspace, config = Path(folder) / "work", Path(folder) / "vtcode.toml"
        for name, text in files.items():
            (workspace / name).parent.mkdir(parents=True, exist_ok=True)
            (workspace / name).write_text(text)
        config.write_text(f'[agent]\nprofile = "{profile}"\nmax_turns = 4\n')
        command = [str(BIN / "vtcode"), "exec", "--embedded", "--full-auto", "--json", "--config", str(config)]
        ended = subprocess.run(
            [*command, task.text], cwd=workspace, capture_output=True, text=True, timeout=300, check=False
        )
        events = [json.loads(line) for line in ended.stdout.splitlines()]
        calls = [event["call"] for event in events if event["type"] == "tool.finished"]
        answer = next((event["text"] for event in events if event["type"] == "turn.finished"), ended.stderr)
        there = [path for path in workspace.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        return Run(
            tuple((call["name"], call["arguments"]) for call in calls),
            answer,
            {str(path.relative_to(workspace)): path.read_text(errors="replace") for path in there},
        )


def judge(task: Task, files: dict[str, str], run: Run) -> tuple[bool, bool, bool]:
    """Tell whether tool, argument and outcome are right."""
    fitting = [arguments.replace('\\"', '"') for name, arguments in run.calls if name == task.tool]
    is_tool = bool(fitting) if task.tool else not run.calls
    is_argument = is_tool and (task.argument is None or any(task.argument in each for each in fitting))
    is_answered = all(wanted.casefold() in run.answer.casefold() for wanted in task.answer)
    # Where `after` is not said, one tool may do what several texts are right for: an import, above or below others.
    is_open = task.after is None and task.tool in {"edit_file", "write_file"}
    wanted = files | (task.after or {})
    is_done = is_open or _ends_alike(run.files) == _ends_alike(wanted)
    return is_tool, is_argument, is_argument and is_answered and is_done


def _ends_alike(files: dict[str, str]) -> dict[str, str]:
    return {name: text.rstrip("\n") for name, text in files.items()}


def main() -> None:
    """Run the tasks, and print a line for each, the sums of each group, and those of each kind over all groups."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="auto", choices=["auto", "guided", "compact", "full"])
    parser.add_argument("--group", action="append", help="only this group (can be given again)")
    parser.add_argument("--kind", action="append", help="only tasks of this kind (can be given again)")
    arguments = parser.parse_args()
    groups = msgspec.json.decode(TASKS.read_bytes(), type=dict[str, Group])
    if unknown := set(arguments.group or ()) - set(groups):
        parser.error(f"there is no group {', '.join(sorted(unknown))}; there are {', '.join(groups)}")
    kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, group in groups.items():
        tasks = [task for task in group.tasks if task.kind in (arguments.kind or [task.kind])]
        if name not in (arguments.group or groups) or not tasks:
            continue
        sums = Counter[str]()
        for task in tasks:
            files = group.workspaces[task.workspace]
            run = attempt(task, files, arguments.profile)
            hits = judge(task, files, run)
            now = Counter({"tasks": 1} | dict(zip(FIGURES, map(int, hits), strict=True)))
            sums += now
            kinds[task.kind] += now
            print("".join("x" if hit else "." for hit in hits), task.kind, "|", task.text, "→", run, flush=True)
        print(_told(name, sums), "\n", flush=True)
    for kind, sums in kinds.items():
        print(_told(kind, sums))


def _told(name: str, sums: Counter[str]) -> str:
    return f"{name}: of {sums['tasks']} tasks, " + ", ".join(f"{figure} {sums[figure]}" for figure in FIGURES)


if __name__ == "__main__":
    main()
