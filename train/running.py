"""Tasks of running a command; then say how it ended."""

from typing import Final

from train import orders
from train.format import asks, call, result, says
from train.scene import Scene, Task
from train.words import Split
from vtcode.messages import Message
from vtcode.tools.excerpt import plural

_COMMANDS: Final[dict[Split, list[str]]] = {
    "train": [
        "python -m unittest",
        "python -m unittest -q",
        "python -m unittest discover",
        "python -m pytest",
        "pytest",
        "pytest -q",
        "pytest -x",
        "npm test",
        "npm run {word}",
        "make",
        "make test",
        "make {word}",
        "git status",
        "git log -1 --oneline",
        "git diff --stat",
        "ls -la",
        "ls {word}",
        "cargo test",
        "cargo build --release",
        "go test ./...",
        "go vet ./...",
        "python {path}",
        "python -c 'print({number})'",
        "sh {path}",
        "wc -l {path}",
        "cat {path}",
        "echo {word}",
        "echo {word} {word2}",
        "date +%Y",
        "uname -s",
        "pwd",
        "{word} --version",
        "{word} --{word2} {number}",
        "./{word}.sh {word2}",
        "pip list",
        "ruff check {word}",
        "node {path}",
        "grep -c {word} {path}",
        'python3 -c "print({number} + {number})"',
        'python3 -c "import {word}; print({word}.{word2})"',
        "python3 -m {word}",
        "python3 -m {word}.{word2} --{word}",
        "python3 {path} {number}",
        "python3 -m unittest {word}.test_{word2}",
        "test -f {path}",
        "test -d {word}; echo $?",
        "ls -l {path}",
        "ls {word} | wc -l",
        "cat {path} | head -{number}",
        "grep -rn {word} .",
        "find . -name '*.py'",
        "sort {path} | uniq -c",
        "bash -c 'echo {word}'",
        "{word}=1 make {word2}",
        "make -C {word} {word2}",
        "du -h {path}",
        "env | grep {word}",
        "which {word}",
        "true",
        "false",
        "exit {number}",
        "docker ps -a",
        "npm run {word} -- --{word2}",
        "cd {word} && make",
        "git log --oneline -{number}",
        "sh {path} {word}",
        "expr {number} + {number}",
        "head -n {number} {path}",
    ],
    "held": [
        "tox -e {word}",
        "bundle exec rake {word}",
        "gradle check",
        "mvn -q verify",
        "head -n 3 {path}",
        "du -sh {word}",
        "nox -s {word}",
        "bash {path} --{word2}",
        "{word} check --{word2}={number}",
    ],
}
_PROGRAMS: Final = frozenset(
    "at clear expr file find install join link look more nice paste size sort split stat strings tee time top "
    "touch tr type users w wait watch which who write yes".split()
).union(each.split()[0] for known in _COMMANDS.values() for each in known if each[0] != "{")
"""All that any command here names, and those whose names are words, which a system has as well."""
DENIED: Final = (
    "Denied: run_terminal_cmd did not run (run_terminal_cmd is prompt, and it was not approved). Nothing was "
    "changed. Do not try it again another way; tell the user what you wanted to do."
)


def run(scene: Scene) -> Task:
    """Run a command, and say how it ended."""
    command = drawn(scene)
    asked = scene.order(orders.RUN, command=scene.quoted(command))
    if scene.draw.random() < 0.05:
        ended = f"I wanted to run {command}, but it was not approved."
        denied: tuple[Message, ...] = (
            call("run_terminal_cmd", command=command),
            result("run_terminal_cmd", DENIED, is_error=True),
        )
        return Task(messages=(asks(asked), *denied, says(ended)), wanted=("not approved",))
    calls, ended = ran(scene, command)
    return Task(
        messages=(asks(asked), *calls, says(ended)), wanted=(ended.partition(": ")[0].rpartition("exit ")[2],)
    )


def is_program(word: str) -> bool:
    """Tell whether a word names a program where the samples take place."""
    return word in _PROGRAMS


def drawn(scene: Scene) -> str:
    template = scene.draw.choice(_COMMANDS[scene.split])
    scene.templates.append(template)
    return template.format(
        word=scene.names.word(),
        word2=scene.names.word(),
        number=scene.names.number(),
        path=scene.draw.choice(scene.project.paths),
    )


def ran(scene: Scene, command: str) -> tuple[tuple[Message, ...], str]:
    """Make up how a command ended; the last line is what is told of it."""
    names, draw = scene.names, scene.draw
    is_ok = draw.random() < 0.65
    tests = draw.randrange(1, 90)
    seconds = f"{draw.random() * 9:.3f}s"
    if "unittest" in command:
        body = [
            f"Ran {plural(tests, 'test')} in {seconds}",
            "",
            "OK" if is_ok else f"FAILED (failures={draw.randrange(1, 9)})",
        ]
    elif any(word in command for word in ("test", "tox", "check", "nox")):
        body = [
            f"{tests} passed in {seconds}" if is_ok else f"{draw.randrange(1, 9)} failed, {tests} passed in {seconds}"
        ]
    elif is_ok:
        body = [" ".join(names.word() for _ in range(draw.randrange(1, 4))) for _ in range(draw.randrange(4))]
        body += [names.number()] * (draw.random() < 0.3)
    else:
        word = names.word()
        body = [
            draw.choice(
                (
                    f"bash: {command.split()[0]}: command not found",
                    f"{word}: No such file or directory",
                    f"NameError: name '{word}' is not defined",
                    f"error: {word} {names.word()}",
                    f"AssertionError: {names.number()} != {names.number()}",
                )
            )
        ]
    code = (
        0
        if is_ok
        else 127
        if body[-1:] == [f"bash: {command.split()[0]}: command not found"]
        else draw.choice((1, 1, 2))
    )
    before = _before(scene, command, is_ok=is_ok) if scene.split == "train" else []
    output = "\n".join([f"exit code {code}", *before, *body])
    verb = "ended" if is_ok else "failed"
    ended = (
        f"{command} {verb} with exit code {code}: {body[-1]}"
        if body
        else f"{command} ended with exit code 0 and printed nothing."
    )
    return (call("run_terminal_cmd", command=command), result("run_terminal_cmd", output, is_error=not is_ok)), ended


def _before(scene: Scene, command: str, *, is_ok: bool) -> list[str]:
    """Make up what a command prints before its last words: tests and programs say much when they fail."""
    names, draw = scene.names, scene.draw
    if draw.random() < 0.5:
        return []
    name, number, other = names.word(), names.number(), names.number()
    why = draw.choice((f"{number} != {other}", "False is not true", f"'{name}' not found in [{number}]", ""))
    trace = [
        "Traceback (most recent call last):",
        f'  File "{draw.choice(scene.project.paths)}", line {draw.randrange(1, 90)}, in test_{name}',
        f"    self.assertEqual({name}, {number})",
        f"AssertionError: {why}" if why else "AssertionError",
    ]
    if "unittest" in command:
        dots = "." * draw.randrange(1, 9)
        if is_ok:
            return [dots, "-" * 70]
        head = f"FAIL: test_{name} (tests.test_{names.word()}.{name.capitalize()}Test.test_{name})"
        return [f"{dots}F", "=" * 70, head, "-" * 70, *trace, "", "-" * 70]
    if "test" in command:
        return [f"FAILED tests/test_{name}.py::test_{names.word()} - {trace[-1]}"] if not is_ok else [f"{name} ok"]
    return trace[:3] if not is_ok else [f"{name}: {number}", f"{names.word()} {names.word()}"][: draw.randrange(3)]
