"""Two programs that others wrote, end to end against the real server: `llm` and aider.

    .venv/bin/python bench/clients.py [--environments FOLDER]

Installs both from the package index, each into a virtual environment of its own (in FOLDER, where a second run finds
them, or in a folder that is removed), starts the server with the default model and a scripted one, and runs each
program as its user would. Prints PASS or FAIL a line; the exit status is 0 when all passed.

The default model is too small to edit code, so with it the protocol is what has to work: the program ends well, shows
a reply and counts its tokens. That an edit arrives in the file is shown with a scripted reply.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
MODELS = Path(os.environ.get("LMSTUDIO_MODELS_DIR") or REPOSITORY / ".cache" / "models")
BIN = Path(sys.executable).parent
MODEL = "smollm2-135m-instruct"
PACKAGES = {"llm": "llm==0.36", "aider": "aider-chat==0.86.2"}
TIMEOUT = 300
"""Seconds that a run of a program may take."""

GREETING = "def greet():\n    return 'hello'\n"
EDIT = """greeting.py
```python
<<<<<<< SEARCH
    return 'hello'
=======
    return 'good morning'
>>>>>>> REPLACE
```
"""
WEATHER = "def weather(city: str) -> str:\n    'Tell the weather of a city.'\n    return 'rain in ' + city\n"


class Failed(Exception):
    """A client did not do what it should; the text says what it did."""


@dataclass
class Box:
    """Where a client runs: its programs, an empty home, and the server."""

    programs: Path
    home: Path
    url: str

    def run(self, name: str, *arguments: str, text: str = "") -> str:
        """Run a program to its end, and give all that it wrote."""
        environment = {
            "PATH": f"{self.programs}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "LLM_USER_PATH": str(self.home / "llm"),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "OPENAI_API_KEY": "none",
            "OPENAI_API_BASE": self.url,
            "AIDER_ANALYTICS_DISABLE": "true",
            # Its price list would be fetched from the network.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }
        command = [str(self.programs / name), *arguments]
        ended = subprocess.run(
            command, env=environment, cwd=self.home, input=text, capture_output=True, text=True, timeout=TIMEOUT
        )
        written = ended.stdout + ended.stderr
        if ended.returncode != 0 or "Traceback" in written:
            raise Failed(f"`{name} {' '.join(arguments)}` ended with {ended.returncode}: {written[-800:]}")
        return written


def require(holds: object, what: str, written: str) -> None:
    """Fail with what the client wrote unless something holds."""
    if not holds:
        raise Failed(f"{what}; it wrote: {written[-800:]}")


# llm ----------------------------------------------------------------------------------------------------


def prepare_llm(box: Box) -> None:
    """Tell `llm` of the server: the model by Chat Completions, by Responses, and the scripted one."""
    folder = box.home / "llm"
    folder.mkdir()
    kinds = {"chat": {}, "responses": {"responses": True}}
    entries = [
        {"model_id": name, "model_name": MODEL, "api_base": box.url, **kind, **SUPPORTS}
        for name, kind in kinds.items()
    ]
    entries.append({"model_id": "calls", "model_name": "calls", "api_base": box.url, **SUPPORTS})
    # YAML is a superset of JSON.
    (folder / "extra-openai-models.yaml").write_text(json.dumps(entries))


SUPPORTS = {"supports_schema": True, "supports_tools": True}
SHORT = ("-o", "temperature", "0")


def llm_prompt(box: Box) -> None:
    """Ask once, whole, and have the tokens counted."""
    written = box.run("llm", "-m", "chat", "--no-stream", "-u", *SHORT, "-o", "max_tokens", "24", "Say hello.")
    require("Token usage" in written and "output" in written, "no usage", written)
    require(len(written.split()) > 5, "no reply", written)


def llm_stream(box: Box) -> None:
    """Ask once, streamed, and once more in the same conversation."""
    box.run("llm", "-m", "chat", *SHORT, "-o", "max_tokens", "24", "My name is Ola.")
    written = box.run("llm", "-c", "-u", *SHORT, "-o", "max_tokens", "24", "What is my name?")
    require("Token usage" in written, "no usage", written)


def llm_responses(box: Box) -> None:
    """Ask by Responses, streamed and whole."""
    for mode in ((), ("--no-stream",)):
        written = box.run("llm", "-m", "responses", "-u", *mode, *SHORT, "Say hello.")
        require("Token usage" in written and len(written.split()) > 5, "no reply", written)


def llm_schema(box: Box) -> None:
    """Ask for JSON by a schema."""
    written = box.run("llm", "-m", "chat", "--schema", "name, age int", *SHORT, "Invent a dog.")
    try:
        dog = json.loads(written)
    except ValueError as error:
        raise Failed(f"not JSON: {written[-800:]}") from error
    require(isinstance(dog.get("name"), str) and isinstance(dog.get("age"), int), "another shape", written)


def llm_tools(box: Box) -> None:
    """Have a tool called and its result sent back; the scripted model calls it for sure."""
    arguments = ("--functions", WEATHER, "--td", "Weather in Oslo?")
    written = box.run("llm", "-m", "calls", *arguments)
    require("rain in Oslo" in written and "It rains." in written, "no tool round", written)
    # The small model may call or not; what counts is that the exchange works.
    box.run("llm", "-m", "chat", *SHORT, "-o", "max_tokens", "40", *arguments)


# aider --------------------------------------------------------------------------------------------------


def prepare_aider(box: Box) -> None:
    """Make a repository with one file."""
    (box.home / "greeting.py").write_text(GREETING)
    # The small model does not find an end by itself.
    short = {"name": f"openai/{MODEL}", "edit_format": "diff", "extra_params": {"max_tokens": 60}}
    (box.home / ".aider.model.settings.yml").write_text(json.dumps([short]))
    for command in (
        ["init", "-q"],
        ["config", "user.name", "Someone"],
        ["config", "user.email", "someone@example.org"],
        ["add", "greeting.py"],
        ["commit", "-qm", "Greet"],
    ):
        subprocess.run(["git", *command], cwd=box.home, check=True)


def _aider(box: Box, model: str, *arguments: str) -> str:
    return box.run(
        "aider",
        *("--model", f"openai/{model}", "--yes-always", "--no-pretty", "--no-check-update", "--no-gitignore"),
        *("--no-show-model-warnings", "--no-detect-urls", "--no-auto-lint", "--map-tokens", "0"),
        *("--edit-format", "diff", *arguments, "--message", "Let greet say good morning.", "greeting.py"),
    )


def aider_real(box: Box) -> None:
    """Send one instruction to the real model, streamed and whole."""
    for mode in ("--stream", "--no-stream"):
        written = _aider(box, MODEL, mode, "--no-auto-commits")
        # A reply that was cut is told in other words than a whole one.
        is_cut = "hit a token limit" in written and "Output tokens:" in written
        require(is_cut or ("Tokens:" in written and "received" in written), "no usage", written)


def aider_edit(box: Box) -> None:
    """Have an edit applied and committed, with a scripted reply."""
    subprocess.run(["git", "checkout", "-q", "."], cwd=box.home, check=True)
    written = _aider(box, "edits", "--stream")
    require("good morning" in (box.home / "greeting.py").read_text(), "the edit is not in the file", written)
    log = subprocess.run(["git", "log", "--oneline"], cwd=box.home, capture_output=True, text=True, check=True)
    require(log.stdout.count("\n") == 2, "the edit is not committed", written)


Step = Callable[[Box], None]
CLIENTS: dict[str, tuple[Step, list[Step]]] = {
    "llm": (prepare_llm, [llm_prompt, llm_stream, llm_responses, llm_schema, llm_tools]),
    "aider": (prepare_aider, [aider_real, aider_edit]),
}


# The run ------------------------------------------------------------------------------------------------


def install(name: str, folder: Path) -> Path:
    """Make the environment of a client unless it is there, and give the folder of its programs."""
    programs = folder / name / "bin"
    if not (programs / name).exists():
        print(f"installing {PACKAGES[name]}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder / name)], check=True)
        # aider's own dependencies ask for numpy and the like in versions of which only wheels are wanted.
        command = [str(programs / "python"), "-m", "pip", "install", "-q", "--prefer-binary", PACKAGES[name]]
        subprocess.run(command, check=True)
    return programs


@contextlib.contextmanager
def server(home: Path, script: Path) -> Iterator[str]:
    """Run our server with the default model and one scripted model, and give its address."""
    environment = {
        **os.environ,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "LMSTUDIO_MODELS_DIR": str(MODELS),
        "LMSTUDIO_API_KEY": "",
    }
    process = subprocess.Popen(
        [str(BIN / "lmstudio"), "server", "start", "--port", "0", "--child", "--script", str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    assert process.stdin and process.stdout
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.stdin.close()
        process.wait(15)


SCRIPTS: dict[str, list[dict[str, object]]] = {
    "llm": [
        {"calls": [{"name": "weather", "arguments": {"city": "Oslo"}}]},
        {"text": "It rains."},
    ],
    "aider": [{"text": EDIT}],
}
SCRIPTED = {"llm": "calls", "aider": "edits"}


def main() -> int:
    """Run all clients and print a line each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=Path, help="folder of the clients' virtual environments, kept")
    parser.add_argument("--only", choices=[*CLIENTS], help="run one client")
    arguments = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        for name, (prepare, steps) in CLIENTS.items():
            if arguments.only not in {None, name}:
                continue
            programs = install(name, (arguments.environments or Path(temporary)).absolute())
            home = Path(temporary) / f"{name}-home"
            home.mkdir()
            script = Path(temporary) / f"{SCRIPTED[name]}.json"
            script.write_text(json.dumps(SCRIPTS[name]))
            state = Path(temporary) / f"{name}-server"
            state.mkdir()
            with server(state, script) as url:
                box = Box(programs, home, url)
                prepare(box)
                for step in steps:
                    try:
                        step(box)
                    except (Failed, subprocess.TimeoutExpired) as error:
                        failures += 1
                        print(f"FAIL {step.__name__}: {error}", flush=True)
                    else:
                        print(f"PASS {step.__name__}: {(step.__doc__ or '').splitlines()[0]}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
