"""Tasks of changing: small exact edits and new files; then say what was done."""

import json
import re
from typing import Final

import msgspec

from train import orders, running
from train.format import asks, call, result, says
from train.looking import lookup, spoken
from train.projects import File, Pair
from train.scene import Scene, Task, Unfit
from train.words import Split
from vtcode.messages import Message

_FLIPS: Final = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "===": "!=="}
_TURNS: Final = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_MODULES: Final[dict[Split, list[str]]] = {
    "train": "os re sys json math time random shutil logging datetime pathlib typing itertools functools".split(),
    "held": "csv heapq textwrap secrets bisect".split(),
}


def replace(scene: Scene) -> Task:
    """Replace a text that the person gives word for word, a line or a part of one."""
    file, pair, old, new_value, new = _assignment(scene)
    is_whole = scene.draw.random() < 0.5
    said, said_new = (pair.line.rstrip(",;"), new.rstrip(",;")) if is_whole else (pair.value, new_value)
    if file.text.count(said) != 1 or old == new:
        raise Unfit
    asked = scene.order(orders.REPLACE, path=file.path, old=scene.quoted(said), new=scene.quoted(said_new))
    answer = f"I changed {said} to {said_new} in {file.path}."
    return Task(
        messages=(asks(asked), *_read(file), *_edit(file, old, new), says(answer)),
        edited=(file.path, file.text, file.text.replace(old, new)),
    )


def assign(scene: Scene) -> Task:
    """Set a value: read the file first, since only its line says how the value is written."""
    file, pair, old, new_value, new = _assignment(scene)
    key = spoken(scene, pair) if scene.split == "train" else pair.key
    asked = scene.order(orders.SET, path=file.path, key=key, new=new_value, was=pair.value)
    answer = f"I set {pair.key} to {new_value} in {file.path}."
    return Task(
        messages=(asks(asked), *_read(file), *_edit(file, old, new), says(answer)),
        edited=(file.path, file.text, file.text.replace(old, new)),
    )


def assign_and_run(scene: Scene) -> Task:
    """Set a value, then run a command and say how it ended."""
    file, pair, old, new_value, new = _assignment(scene)
    asked = scene.ask(orders.SET, path=file.path, key=pair.key, new=new_value, was=pair.value).rstrip(".")
    command = running.drawn(scene)
    asked += "." * (not asked.endswith("?")) + scene.ask(orders.THEN_RUN, command=scene.quoted(command))
    ran, ended = running.ran(scene, command)
    answer = f"I set {pair.key} to {new_value} in {file.path}. {ended}"
    return Task(
        messages=(asks(asked), *_read(file), *_edit(file, old, new), *ran, says(answer)),
        edited=(file.path, file.text, file.text.replace(old, new)),
    )


def rename(scene: Scene) -> Task:
    """Rename a function in the one place where it is."""
    file = scene.pick(lambda file: file.definitions and _is_short(file))
    found = scene.draw.choice(file.definitions)
    old = found.source.split("\n")[0].strip()
    new_name = scene.names.name()
    new = old.replace(found.name, new_name)
    if file.text.count(found.name) != 1 or file.text.count(old) != 1 or old == new:
        raise Unfit
    asked = scene.order(orders.RENAME, path=file.path, name=found.name, new=new_name)
    answer = f"I renamed {found.name} to {new_name} in {file.path}."
    return Task(
        messages=(asks(asked), *_read(file), *_edit(file, old, new), says(answer)),
        edited=(file.path, file.text, file.text.replace(old, new)),
    )


def add_import(scene: Scene) -> Task:
    """Add a missing import above what follows the module's first words."""
    file = scene.pick(lambda file: file.path.endswith(".py") and _is_short(file))
    module = scene.draw.choice(_MODULES[scene.split])
    first = next((each for each in file.lines if each and not each.startswith('"""')), "")
    if f"import {module}" in file.text or file.text.count(first) != 1 or first.startswith(("def ", "class ")):
        raise Unfit
    gap = "\n" if first.startswith(("import ", "from ")) else "\n\n"
    new = f"import {module}{gap}{first}"
    asked = scene.order(orders.IMPORT, path=file.path, module=module)
    return Task(
        messages=(
            asks(asked),
            *_read(file),
            *_edit(file, first, new),
            says(f"I added import {module} to {file.path}."),
        ),
        edited=(file.path, file.text, file.text.replace(first, new)),
    )


def flip(scene: Scene) -> Task:
    """Put one comparison right."""
    endings, words = ((".py", ".js"), "if|while|return") if scene.split == "train" else ((".py",), "if|while")
    fitting = [
        (file, each, match)
        for file in scene.project.files
        if file.path.endswith(endings) and _is_short(file)
        for each in file.definitions
        if len(match := re.findall(rf"\n +((?:{words}) [^\n]* (<=?|>=?|===?|!=) [^\n]*[:;{{]?)(?=\n)", each.source))
        == 1
    ]
    if not fitting:
        raise Unfit
    file, found, match = scene.draw.choice(fitting)
    old, sign = match[0]
    is_turned = scene.split == "train" and scene.draw.random() < 0.4
    other = _TURNS.get(sign, _FLIPS[sign]) if is_turned else _FLIPS[sign]
    new = old.replace(f" {sign} ", f" {other} ")
    if file.text.count(old) != 1 or old.count(f" {sign} ") != 1:
        raise Unfit
    asked = scene.order(orders.FLIP, path=file.path, name=found.name, old=sign, new=other)
    answer = f"I changed {sign} to {other} in {found.name} in {file.path}."
    return Task(
        messages=(asks(asked), *_read(file), *_edit(file, old, new), says(answer)),
        edited=(file.path, file.text, file.text.replace(old, new)),
    )


def write(scene: Scene) -> Task:
    """Write a small file of a given line."""
    names = scene.names
    ending = scene.draw.choice(("txt", "md", "log", "py", "cfg", "sh", "csv"))
    folder = scene.draw.choice(("", "", "", f"{names.word()}/"))
    path = f"{folder}{names.name()}.{ending}"
    if scene.split == "train" and scene.draw.random() < 0.1:
        path = names.word().upper()
    if path in scene.project.paths:
        raise Unfit
    text = scene.draw.choice(
        (
            names.word(),
            f"{names.word()} {names.word()}",
            f"{names.word()} {names.word()} {names.number()}",
            f"{names.name()} = {names.number()}",
            f"{names.word()}: {names.word()}",
            f'print("{names.word()}")',
            names.number(),
            f"{names.word().capitalize()}, {names.word()}!",
        )
    )
    if scene.split == "train" and scene.draw.random() < 0.4:
        text = _sentence(scene)
    asked = scene.order(orders.WRITE, may_end=False, text=scene.quoted(text), path=path)
    content = f"{text}\n"
    return Task(
        messages=(
            asks(asked),
            call("write_file", path=path, content=content),
            result("write_file", f"Wrote {path} (1 line)."),
            says(f"I wrote {text} to {path}."),
        ),
        edited=(path, "", content),
    )


def _sentence(scene: Scene) -> str:
    """Make up a line of text, of code, or of neither."""
    draw, names = scene.draw, scene.names
    words = " ".join(names.word() for _ in range(draw.randrange(2, 8)))
    return draw.choice(
        (
            words,
            words.capitalize() + ".",
            f"# {words}",
            f"- {words}",
            f"// {words}",
            f'echo "{words}"',
            f'print("{words}", {names.number()})',
            names.version(),
            f"{names.name()}({names.number()})",
            f"{names.word()}@{names.word()}.org",
        )
    )


def reword(scene: Scene) -> Task:
    """Replace some words of a line, that the person gives."""
    draw, names = scene.draw, scene.names
    file = scene.pick(lambda file: len(file.text) < 600)
    if draw.random() < 0.5:
        file = _prose(scene)
        scene.add(file)
    fitting = [each for each in file.lines if len(each.split()) > 1 and file.text.count(each) == 1]
    if not fitting:
        raise Unfit
    old = draw.choice(fitting).strip()
    first = draw.randrange(len(old.split()))
    said = " ".join(old.split()[first : first + draw.randrange(1, 4)]).strip("\"'`,;:.()[]{}#= ")
    if len(said) < 3 or file.text.count(said) != 1 or said not in old:
        raise Unfit
    said_new = names.name() if said.isidentifier() else " ".join(names.word() for _ in range(draw.randrange(1, 4)))
    if draw.random() < 0.3:
        part, *rest = said.split(" ")
        said_new = " ".join([names.word(), *rest]) if draw.random() < 0.5 else " ".join([part, *rest, names.word()])
    new = old.replace(said, said_new)
    asked = scene.order(orders.REPLACE, path=file.path, old=scene.quoted(said), new=scene.quoted(said_new))
    answer = f"I changed {said} to {said_new} in {file.path}."
    return Task(
        messages=(asks(asked), *_read(file), *_edit(file, old, new), says(answer)),
        edited=(file.path, file.text, file.text.replace(old, new)),
    )


def _prose(scene: Scene) -> File:
    """Make up a text of some sentences, a line each."""
    draw, names = scene.draw, scene.names
    lines = [" ".join(names.word() for _ in range(draw.randrange(4, 11))) for _ in range(draw.randrange(2, 7))]
    path = f"{draw.choice(('', '', 'docs/', names.word() + '/'))}{names.word()}.{draw.choice(('md', 'md', 'txt'))}"
    return File(path, f"# {names.word().capitalize()}\n\n" + "".join(f"{line.capitalize()}.\n" for line in lines))


def mistaken_lookup(scene: Scene) -> Task:
    """Read a file under a name that is nearly right, and then the one that there is."""
    task = lookup(scene)
    asked, first, *rest = task.messages
    path = json.loads(first.calls[0].arguments)["path"]  # type: ignore[union-attr]
    folder, slash, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    if len(stem) < 4:
        raise Unfit
    cut = scene.draw.randrange(1, len(stem))
    wrong = f"{folder}{slash}{stem[:cut]}{stem[cut + 1 :]}{dot}{ending}"
    if wrong in scene.project.paths or path not in asked.text:
        raise Unfit
    failure = f"{wrong} cannot be read: it does not exist. There is {path}."
    spoken = msgspec.structs.replace(asked, text=asked.text.replace(path, wrong))
    again = (call("read_file", path=wrong), result("read_file", failure, is_error=True))
    return Task(messages=(spoken, *again, first, *rest), wanted=task.wanted)


def _assignment(scene: Scene) -> tuple[File, Pair, str, str, str]:
    file = scene.pick(_is_short)
    pair = _unique(scene, file)
    value = _other(scene, pair)
    new = pair.line.replace(pair.value, value)
    if file.text.count(pair.line) != 1 or new == pair.line:
        raise Unfit
    return file, pair, pair.line, value, new


def _unique(scene: Scene, file: File) -> Pair:
    fitting = [pair for pair in file.pairs if pair.line.count(pair.value) == 1 and pair.value not in pair.key]
    if not fitting:
        raise Unfit
    return scene.draw.choice(fitting)


def _other(scene: Scene, pair: Pair) -> str:
    """Draw another value of the same kind, so that it is quoted as the old one was."""
    names = scene.names
    if pair.value.isdigit():
        value = str(scene.draw.randrange(1, 10000))
    elif pair.value.replace(".", "").isdigit():
        value = names.version() if pair.value.count(".") == 2 else f"{scene.draw.random() * 10:.1f}"
    else:
        value = pair.value.replace(re.split(r"[ .]", pair.value)[0], names.word())
    if value == pair.value or value.startswith("0"):
        raise Unfit
    return value


def _is_short(file: File) -> bool:
    return bool(file.pairs) and len(file.text) < 600


def _read(file: File) -> tuple[Message, Message]:
    return call("read_file", path=file.path), result("read_file", file.text.removesuffix("\n"))


def _edit(file: File, old: str, new: str) -> tuple[Message, Message]:
    before, after = file.text.count("\n"), file.text.replace(old, new).count("\n")
    done = (
        f"Edited {file.path} (+{1 + after - before} -1)."
        if after == before
        else f"Edited {file.path} (+{after - before} -0)."
    )
    return call("edit_file", path=file.path, old_str=old, new_str=new), result("edit_file", done)
