"""Small projects for samples to take place in: settings in several formats, code in several languages, notes."""

import json
from typing import Final

import msgspec

from train.words import Names, Split

COMMON: Final = (
    "name version port host license timeout retries debug level path user region theme author language "
    "title colour max_size min_size interval prefix mode limit description homepage encoding"
).split()
"""Keys that everybody's settings have; only training uses them."""

_COMMON_FILES: Final[dict[str, list[str]]] = {
    "toml": ["pyproject", "config", "settings", "Cargo"],
    "json": ["package", "config", "settings", "theme"],
    "yaml": ["config", "settings", "deploy"],
    "ini": ["config", "setup", "app"],
    "env": ["local", "app"],
    "cfg": ["setup", "app"],
    "py": ["main", "app", "utils", "models", "settings", "cli"],
    "js": ["index", "main", "app"],
    "go": ["main", "server"],
    "rs": ["main", "lib"],
    "sh": ["build", "run"],
}
"""Names of files that everybody's projects have; only training uses them."""
_LARGE: Final = 0.12
"""How many training projects have several files more."""
_ROOTS: Final[dict[Split, list[str]]] = {
    "train": ["", "", "", "src/", "lib/", "app/", "config/", "core/", "scripts/"],
    "held": ["", "", "pkg/", "source/", "internal/", "conf/"],
}
_BODIES: Final[dict[Split, list[str]]] = {
    "train": [
        "def {f}({a}, {b}={n}):\n    return {a} * {b}\n",
        "def {f}({a}, {b}={n}):\n    return {a} + {b}\n",
        "def {f}({a}):\n    if {a} < {n}:\n        return {m}\n    return {a}\n",
        "def {f}({a}):\n    if len({a}) > {n}:\n        return None\n    return {a}[0]\n",
        "def {f}({a}, {b}):\n    if {a} == {b}:\n        return True\n    return {a}.{c}\n",
        "def {f}({a}):\n    for {b} in {a}:\n        print({b})\n    return {n}\n",
        'def {f}({a}, {b}="{c}"):\n    return f"{{{a}}} {{{b}}}"\n',
        'def {f}():\n    return "{c}"\n',
        "class {F}:\n    def __init__(self, {a}={n}):\n        self.{a} = {a}\n",
        "def {f}({a}):\n    try:\n        return int({a})\n    except ValueError:\n        return {n}\n",
        "def {f}({a}, {b}={n}):\n    if {b} <= {a}:\n        return {b}\n    return {a} - {n}\n",
        "def {f}({a}):\n    while len({a}) >= {n}:\n        {a}.pop()\n    return {a}\n",
        "def {f}({a}, {b}):\n    if {a} != {b}:\n        {a}.{c}({b})\n    return {b}\n",
        "def {f}({a}):\n    if {a}.{b} >= {n}:\n        print({a}.{c})\n    return {a}.{b}\n",
        "def {f}({a}, {b}):\n    while {a} < {n}:\n        {a} += {b}\n    return {a}\n",
        'def {f}({a}):\n    return {a}["{b}"]\n',
        "def {f}({a}, {b}):\n    {c} = {a} // {n}\n    return {c} + {b}\n",
        "def {f}(*{a}):\n    return max({a}) - {n}\n",
        'def {f}({a}):\n    return {a}.{b}("{c}", {n})\n',
        'def {f}():\n    return "{b} {c}"\n',
        "def {f}():\n    return {n}\n",
        "def {f}({a}):\n    return {a} < {n}\n",
        "def {f}({a}):\n    return {a} >= {n}\n",
        "def {f}({a}, {b}):\n    return {a} > {b}\n",
        "def {f}({a}):\n    return len({a}) <= {n}\n",
    ],
    "held": [
        "def {f}({a}, {b}={n}):\n    return {b} - {a}\n",
        "def {f}({a}):\n    if {a} >= {n}:\n        raise ValueError({a})\n    return {m}\n",
        "def {f}({a}):\n    while {a} > {n}:\n        {a} -= {m}\n    return {a}\n",
        'def {f}({a}):\n    return {a}.get("{c}", {n})\n',
    ],
}


_JS_BODIES: Final = (
    "  return {a} + {n};\n",
    '  return "{b}";\n',
    '  return "{b} " + {a};\n',
    "  return {a} < {n};\n",
    "  return {a} >= {n};\n",
    "  return {a}.length > {n};\n",
    "  if ({a} === {n}) {{\n    return {b};\n  }}\n  return {n};\n",
)
_SECTIONS: Final = "server client database cache mail logging build auth storage network ui limits queue".split()
"""What settings often have sections for; only training uses them."""
_FACTS: Final = ("{Key}: {value}\n", "- {key}: {value}\n", "The {key} is {value}.\n", "* {Key} = {value}\n")
"""How notes tell of a value."""


class Pair(msgspec.Struct, frozen=True):
    """A setting or a constant, and the line that it stands in."""

    key: str
    value: str
    line: str
    number: int
    section: str = ""
    """What it stands under, where settings have sections."""


class Definition(msgspec.Struct, frozen=True):
    """A function or class, and where."""

    name: str
    source: str
    number: int


class File(msgspec.Struct, frozen=True):
    """One file, and what of it can be asked for."""

    path: str
    text: str
    pairs: tuple[Pair, ...] = ()
    definitions: tuple[Definition, ...] = ()

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")[:-1]


class Project(msgspec.Struct, frozen=True):
    """A workspace."""

    name: str
    files: tuple[File, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(sorted(file.path for file in self.files))

    @property
    def folders(self) -> tuple[str, ...]:
        return tuple(sorted({path.rpartition("/")[0] for path in self.paths} - {""}))

    def below(self, folder: str) -> list[str]:
        return [path for path in self.paths if folder == "." or path.startswith(f"{folder}/")]

    def found(self, pattern: str) -> list[str]:
        """Give the lines that hold a plain text, as `grep_file` shows them."""
        files = sorted(self.files, key=lambda file: file.path)
        return [
            f"{file.path}:{number}:{line}"
            for file in files
            for number, line in enumerate(file.lines, 1)
            if pattern in line
        ]


def make_project(names: Names) -> Project:
    """Make a project of three to six files, some for training larger."""
    draw = names.draw
    made = [settings_file(names), code_file(names)]
    made += [
        draw.choice((settings_file, code_file, script_file, notes_file))(names) for _ in range(draw.randrange(1, 5))
    ]
    if names.split == "train" and draw.random() < _LARGE:
        made += [draw.choice((settings_file, script_file, notes_file))(names) for _ in range(draw.randrange(2, 7))]
    return Project(names.word(), tuple({file.path: file for file in made}.values()))


def settings_file(names: Names) -> File:
    """Make a file of keys and values."""
    draw = names.draw
    if names.split == "train" and draw.random() < 0.4:
        return _sectioned_file(names)
    pairs = {_key(names): _value(names) for _ in range(draw.randrange(2, 6))}
    kind = draw.choice(("toml", "json", "yaml", "ini", "env", "cfg"))
    path = _path(names, kind)
    match kind:
        case "json":
            body = [f"  {json.dumps(key)}: {_quoted(value)}" for key, value in pairs.items()]
            text = "{\n" + ",\n".join(body) + "\n}\n"
        case "toml":
            text = f"[{names.word()}]\n" + "".join(f"{key} = {_quoted(value)}\n" for key, value in pairs.items())
        case "yaml":
            text = "".join(f"{key}: {value}\n" for key, value in pairs.items())
        case "env":
            text = "".join(f"{key.upper()}={value}\n" for key, value in pairs.items())
            pairs = {key.upper(): value for key, value in pairs.items()}
        case _:
            text = f"[{names.word()}]\n" + "".join(f"{key} = {value}\n" for key, value in pairs.items())
    return File(path, text, _pairs(text, pairs))


def _sectioned_file(names: Names) -> File:
    """Make a file of keys and values in sections."""
    draw = names.draw
    kind = draw.choice(("toml", "json", "yaml", "ini", "cfg"))
    sections: dict[str, dict[str, str]] = {}
    for _ in range(draw.randrange(2, 4)):
        section = draw.choice(_SECTIONS) if draw.random() < 0.5 else names.word()
        sections[section] = {_key(names): _value(names) for _ in range(draw.randrange(1, 5))}
    top = {_key(names): _value(names) for _ in range(draw.randrange(3))}
    match kind:
        case "json":
            shown = {key: _plain(value) for key, value in top.items()}
            inner = {name: {key: _plain(value) for key, value in pairs.items()} for name, pairs in sections.items()}
            text = json.dumps(shown | inner, indent=draw.choice((2, 2, 4))) + "\n"
        case "yaml":
            text = "".join(f"{key}: {value}\n" for key, value in top.items())
            for name, pairs in sections.items():
                text += f"{name}:\n" + "".join(f"  {key}: {value}\n" for key, value in pairs.items())
        case "toml":
            top = {}
            text = "\n".join(
                f"[{name}]\n" + "".join(f"{key} = {_quoted(value)}\n" for key, value in pairs.items())
                for name, pairs in sections.items()
            )
        case _:
            top = {}
            text = "\n".join(
                f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in pairs.items())
                for name, pairs in sections.items()
            )
    found = _pairs(text, top)
    for name, pairs in sections.items():
        found += tuple(msgspec.structs.replace(pair, section=name) for pair in _pairs(text, pairs))
    return File(_path(names, kind), text, found)


def code_file(names: Names) -> File:
    """Make a Python module of constants and functions."""
    draw = names.draw
    constants = {names.name().upper(): _value(names) for _ in range(draw.randrange(1, 4))}
    head = f'"""{names.word().capitalize()} and {names.word()}."""\n\n' if draw.random() < 0.5 else ""
    imports = "".join(f"import {module}\n" for module in sorted(draw.sample(_MODULES, draw.randrange(3))))
    text = head + (f"{imports}\n" if imports else "")
    text += "".join(f"{key} = {_quoted(value)}\n" for key, value in constants.items())
    sources: dict[str, str] = {}
    for _ in range(draw.choice((1, 2, 2, 3) if names.split == "train" else (1, 1, 2))):
        if draw.random() < 0.15:
            function = names.function()
            sources[function.name] = function.source + "\n"
        else:
            name = names.name()
            shown = "".join(part.capitalize() for part in name.split("_"))
            a, b, c = names.word(), names.word(), names.word()
            body = draw.choice(_BODIES[names.split])
            sources[shown if "{F}" in body else name] = body.format(
                f=name, F=shown, a=a, b=b, c=c, n=draw.randrange(2, 100), m=draw.randrange(0, 10)
            )
    text += "".join(f"\n\n{source}" for source in sources.values())
    path = _path(names, "py")
    found = tuple(
        Definition(name, source, text[: text.index(source)].count("\n") + 1) for name, source in sources.items()
    )
    return File(path, text, _pairs(text, constants), found)


def script_file(names: Names) -> File:
    """Make a module of another language."""
    draw = names.draw
    constants = {_camel(names.name()): _value(names) for _ in range(draw.randrange(1, 4))}
    name, value = _camel(names.name()), names.word()
    match draw.choice(("js", "go", "rs", "sh")):
        case "js":
            text = "".join(f"const {key} = {_quoted(each)};\n" for key, each in constants.items())
            source, ending = f"function {name}({value}) {{\n  return {value} + {draw.randrange(9)};\n}}\n", "js"
            if names.split == "train":
                body = draw.choice(_JS_BODIES).format(a=value, b=names.word(), n=draw.randrange(2, 90))
                source = f"function {name}({value}) {{\n{body}}}\n"
        case "go":
            text = f"package {names.word()}\n\n" + "".join(
                f"const {k} = {_quoted(v)}\n" for k, v in constants.items()
            )
            source, ending = f"func {name}({value} int) int {{\n\treturn {value} * {draw.randrange(9)}\n}}\n", "go"
        case "rs":
            text = "".join(f"const {key}: &str = {json.dumps(each)};\n" for key, each in constants.items())
            source, ending = f"pub fn {name}({value}: u32) -> u32 {{\n    {value} + {draw.randrange(9)}\n}}\n", "rs"
        case _:
            text = "#!/bin/sh\n" + "".join(f"{key}={_quoted(each)}\n" for key, each in constants.items())
            source, ending = f"{name}() {{\n  echo {value}\n}}\n", "sh"
    text += f"\n{source}"
    path = _path(names, ending)
    return File(path, text, _pairs(text, constants), (Definition(name, source, text.count("\n") - 2),))


def notes_file(names: Names) -> File:
    """Make a text for people."""
    draw = names.draw
    title, subject, tool = names.word().capitalize(), names.name().replace("_", " "), names.word()
    text = f"# {title}\n\n{title} keeps track of {subject}.\n\nRun it with `{tool} {names.word()}`.\n"
    folder = names.draw.choice(("", "", "docs/" if names.split == "train" else "", f"{names.word()}/"))
    common = "README" if names.split == "train" else names.word()
    path = f"{folder}{names.draw.choice((common, names.word(), names.word().upper()))}.md"
    if names.split == "train" and draw.random() < 0.6:
        facts = {_key(names).replace("_", " "): _value(names) for _ in range(draw.randrange(1, 4))}
        shape = draw.choice(_FACTS)
        text += "\n" + "".join(
            shape.format(key=key, Key=key.capitalize(), value=value) for key, value in facts.items()
        )
        return File(path, text, _facts(text, facts))
    return File(path, text)


_MODULES: Final = "os re json math random sys time string logging itertools collections".split()


def _path(names: Names, ending: str) -> str:
    if names.split == "train" and names.draw.random() < 0.35:
        return f"{_folder(names)}{names.draw.choice(_COMMON_FILES[ending])}.{ending}"
    return f"{_folder(names)}{names.name()}.{ending}"


def _folder(names: Names) -> str:
    if names.draw.random() < 0.4:
        return f"{names.word()}/"
    return names.draw.choice(_ROOTS[names.split])


def _key(names: Names) -> str:
    if names.split == "train" and names.draw.random() < 0.5:
        return names.draw.choice(COMMON)
    return names.name()


def _value(names: Names) -> str:
    match names.draw.randrange(7):
        case 0 | 1 | 2:
            return names.number()
        case 3:
            return names.version()
        case 4:
            return f"{names.word()} {names.word()}"
        case 5:
            return f"{names.word()}.{names.draw.choice(('local', 'org', 'txt', 'db'))}"
        case _:
            return names.word()


def _quoted(value: str) -> str:
    is_number = value.replace(".", "", 1).isdigit() and not value.startswith("0")
    return value if is_number or value in {"0"} else json.dumps(value)


def _plain(value: str) -> object:
    return json.loads(_quoted(value))


def _facts(text: str, facts: dict[str, str]) -> tuple[Pair, ...]:
    """Find the line of each fact, whether it begins a sentence or not."""
    low = {key: key if key in text else key.capitalize() for key in facts}
    return tuple(
        msgspec.structs.replace(pair, key=pair.key.lower())
        for pair in _pairs(text, {low[key]: value for key, value in facts.items()})
    )


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _pairs(text: str, pairs: dict[str, str]) -> tuple[Pair, ...]:
    """Find the line of each pair; of a key that begins another line too, none is kept."""
    lines = text.split("\n")
    found: list[Pair] = []
    for key, value in pairs.items():
        places = [number for number, line in enumerate(lines, 1) if key in line]
        if len(places) == 1:
            found.append(Pair(key, value, lines[places[0] - 1].strip(), places[0]))
    return tuple(found)
