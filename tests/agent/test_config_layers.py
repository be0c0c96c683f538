"""Every table of vtcode.toml, the layers above the files, and where each value comes from."""

import json
import time
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.agent.desk import Desk
from tests.agent.support import GUIDE
from tests.support.processes import REPOSITORY
from vtcode.approval import Policy, judge
from vtcode.config import configure
from vtcode.configschema import config_schema
from vtcode.settings import McpServer, ProviderSettings

EVERYTHING = """
[agent]
provider = "mine"
reasoning_effort = "low"
parallel_tool_calls = false
[tools.policies]
mcp__files__read = "allow"
[commands]
allow_list = ["make test"]
deny_glob = ["rm *"]
[providers.lmstudio]
api = "responses"
[[custom_providers]]
name = "mine"
display_name = "My server"
base_url = "https://models.example/v1/"
api_key_env = "MY_KEY"
api = "chat"
[context]
compact_at = 0.5
output_limit = 4000
[sandbox]
mode = "required"
network = "on"
[mcp.servers.files]
command = "files"
args = ["--all"]
env = { LEVEL = "3" }
[ui]
color = "never"
show_reasoning = true
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_every_table_reaches_its_settings(desk: Desk) -> None:
    path = desk.user(EVERYTHING)
    desk.environ["MY_KEY"] = "sesame"
    settings = desk.load()
    assert settings.warnings == ()
    assert (settings.reasoning_effort, settings.parallel_tool_calls) == ("low", False)
    assert (settings.base_url, settings.api_key, settings.api) == ("https://models.example/v1", "sesame", "chat")
    assert settings.providers["mine"] == ProviderSettings(
        base_url="https://models.example/v1", api_key_env="MY_KEY", api="chat", label="My server"
    )
    assert settings.providers["lmstudio"].api == "responses"
    assert judge(settings.policies, "mcp__files__read").policy is Policy.ALLOW
    assert (settings.commands.allow_list, settings.commands.deny_glob) == (("make test",), ("rm *",))
    assert (settings.context.compact_at, settings.context.output_limit) == (0.5, 4000)
    assert (settings.sandbox.mode, settings.sandbox.network) == ("required", "on")
    assert settings.mcp.servers == {
        "files": McpServer(command="files", args=("--all",), env={"LEVEL": "3"}, source=str(path))
    }
    assert (settings.ui.color, settings.ui.show_reasoning) == ("never", True)


def test_tables_are_merged_and_lists_replaced_but_rules_that_deny_add_up(desk: Desk) -> None:
    user = str(desk.user('[commands]\nallow_list = ["a", "b"]\ndeny_list = ["x"]\n[context]\nwarm_up = false\n'))
    desk.workspace('[commands]\nallow_list = ["b"]\ndeny_list = ["y", "x"]\n[context]\ncompact_at = 0.6\n')
    desk.environ["VTCODE_COMMANDS_DENY_LIST"] = "z, git push "
    settings = desk.load()
    assert settings.warnings == ()
    assert settings.commands.allow_list == ("b",)
    assert settings.commands.deny_list == ("x", "y", "z", "git push")
    assert (settings.context.warm_up, settings.context.compact_at) == (False, 0.6)
    assert settings.commands.sources["deny_list:x"] == user
    assert settings.commands.sources["deny_list:y"] == "vtcode.toml"
    assert settings.commands.sources["deny_list:z"] == "VTCODE_COMMANDS_DENY_LIST"


def test_the_systems_file_lies_under_the_users(desk: Desk, tmp_path: Path) -> None:
    for name, turns in (("first", 1), ("second", 2)):
        file = tmp_path / name / "vtcode" / "vtcode.toml"
        file.parent.mkdir(parents=True)
        file.write_text(f"[agent]\nmax_turns = {turns}\nmax_tokens = {turns}\n")
    desk.environ["XDG_CONFIG_DIRS"] = f"{tmp_path}/first:{tmp_path}/second:relative"
    assert desk.load().max_turns == 1
    desk.user("[agent]\nmax_turns = 3\n")
    settings = desk.load()
    assert (settings.max_turns, settings.max_tokens) == (3, 1)


def test_single_keys_go_over_files_and_environment_and_under_flags(desk: Desk) -> None:
    desk.workspace('[agent]\nmax_turns = 2\ndefault_model = "file"\n')
    desk.environ["LMSTUDIO_BASE_URL"] = "http://localhost:1/v1"
    set_to = (
        "agent.max_turns=7",
        "agent.max_turns=8",
        "agent.default_model=plain words",
        "tools.default_policy=deny",
    )
    settings = desk.load(*set_to, "providers.lmstudio.base_url=http://localhost:2/v1")
    assert (settings.max_turns, settings.default_model) == (8, "plain words")
    assert (settings.policies.default, settings.base_url) == (Policy.DENY, "http://localhost:2/v1")
    assert desk.load(*set_to, default_model="flag").default_model == "flag"


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("agent.max_turns", "-c agent.max_turns: expected KEY=VALUE"),
        ("=1", "expected KEY=VALUE"),
        ("a b=1", "expected KEY=VALUE"),
        ("[agent]\nmax_turns=1", "expected KEY=VALUE"),
        ("agent.max_turns=0", "-c: agent.max_turns is 0; expected a whole number from 1 to 100,000."),
        ("agent.max_trns=1", "-c: agent.max_trns is not known. Did you mean max_turns?"),
        ("nothing.like.it=1", "-c: nothing is not known here"),
        ("agent.max_turns=1\n[tools]\ndefault_policy='allow'", "-c: agent.max_turns is "),
    ],
)
def test_a_single_key_that_is_wrong_is_an_error(desk: Desk, assignment: str, said: str) -> None:
    assert said in desk.error(assignment)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[sandbox]\nmode = 'none'", 'line 2: sandbox.mode is "none"; expected "auto", "required", "any" or "off".'),
        ("[comands]\n", "Did you mean commands?"),
        ("[commands]\ndeny = ['x']", "commands.deny is not known, and would forbid nothing."),
        ("[commands]\ndeny_list = 'rm'", "expected a list of texts"),
        ("[providers.lmstudoi]\napi = 'chat'", "providers.lmstudoi is not known. Did you mean lmstudio?"),
        ("[providers.mine]\napi = 'chat'", "providers.mine is no known provider, and has no base_url"),
        ("[providers.lmstudio]\nbase_url = 'http://u:hunter2@x/v1'", "has a name or password in it"),
        ("[providers.lmstudio]\napi_key_env = 'sk-123 456'", "the name of an environment variable (not the key"),
        ("[[custom_providers]]\nname = 'x'", "custom_providers.0 has no base_url. Add it."),
        ("[[custom_providers]]\nname = 'openai'\nbase_url = 'http://x/v1'", "line 2: custom_providers.0.name is "),
        ("custom_providers = 3", "expected tables, each written [[custom_providers]]"),
        ("[mcp.servers.x]\nargs = []", "mcp.servers.x has neither a command nor a url"),
        ("[mcp.servers.x]\ncommand = 'a'\nurl = 'http://x/'", "mcp.servers.x has both a command and a url"),
        ("[context]\ncompact_at = nan", "context.compact_at is a value out of range"),
        ('[mcp.servers.x]\ncommand = "a\\u0000b"', "has a NUL character"),
    ],
)
def test_a_mistake_in_any_table_is_told(desk: Desk, text: str, said: str) -> None:
    desk.user(text)
    message = desk.error()
    assert said in message and "hunter2" not in message


def test_each_provider_has_its_own_address_and_key(desk: Desk) -> None:
    desk.environ |= {
        "OPENAI_API_KEY": "o",
        "OLLAMA_BASE_URL": "http://127.0.0.1:5/v1",
        "LMSTUDIO_API_KEY": "l",
        "LLAMACPP_BASE_URL": "no address",
    }
    found = {name: desk.load(provider=name) for name in ("lmstudio", "openai", "ollama")}
    assert {name: (settings.base_url, settings.api_key) for name, settings in found.items()} == {
        "lmstudio": ("http://localhost:1234/v1", "l"),
        "openai": ("https://api.openai.com/v1", "o"),
        "ollama": ("http://127.0.0.1:5/v1", None),
    }
    assert desk.error(provider="llamacpp").startswith("LLAMACPP_BASE_URL ")


# vtcode config ------------------------------------------------------------------------------------------


def shown(desk: Desk, *arguments: str) -> dict[str, Any]:
    ended = desk.vtcode(*arguments, "config", "show", "--json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_config_show_tells_each_value_with_its_file_and_line(desk: Desk) -> None:
    desk.workspace(GUIDE)
    found = shown(desk, "-c", "agent.max_turns=9")
    assert found["agent.provider"] == {"value": "lmstudio", "origin": {"from": "vtcode.toml", "line": 2}}
    assert found["agent.max_turns"] == {"value": 9, "origin": {"from": "-c"}}
    assert found["context.warm_up"] == {"value": True, "origin": {"from": "default"}}
    assert found["tools.policies.edit_file"]["value"] == "prompt"
    lines = desk.vtcode("config", "show", "--origin").stdout.splitlines()
    assert any(line.startswith("agent.provider = ") and line.endswith("# vtcode.toml, line 2") for line in lines)


def test_single_keys_may_stand_before_and_after_the_command(desk: Desk) -> None:
    ended = desk.vtcode("-c", "agent.max_turns=9", "config", "show")
    assert "agent.max_turns = 9" in ended.stdout
    both = desk.vtcode("-c", "agent.max_turns=9", "config", "-c", "agent.max_tokens=5", "show").stdout
    assert "agent.max_turns = 9" in both and "agent.max_tokens = 5" in both


def test_what_every_command_takes_may_stand_at_the_end(desk: Desk) -> None:
    words = ["config", "-c", "agent.max_turns=9", "show", "--model", "x", "-c", "agent.max_tokens=5"]
    shown = desk.vtcode(*words).stdout
    assert "agent.max_turns = 9" in shown and "agent.max_tokens = 5" in shown and 'agent.default_model = "x"' in shown
    elsewhere = desk.vtcode("sessions", "list", "--all", "--workspace", str(desk.home))
    assert (elsewhere.returncode, elsewhere.stderr) == (0, "no sessions\n")
    assert "--workspace FOLDER" in desk.vtcode("sessions", "list", "--help").stdout


def test_config_show_never_prints_a_key(desk: Desk) -> None:
    desk.user(EVERYTHING.replace('LEVEL = "3"', 'TOKEN = "sesame-two"'))
    desk.environ |= {"MY_KEY": "sesame", "LMSTUDIO_API_KEY": "sesame"}
    for flags in ((), ("--json",), ("--origin",)):
        ended = desk.vtcode("config", "show", *flags)
        assert ended.returncode == 0 and "sesame" not in ended.stdout + ended.stderr
        assert "MY_KEY" in ended.stdout


def test_config_path_lists_what_is_read(desk: Desk) -> None:
    workspace, user = desk.workspace('[sandbox]\nmode = "off"\n'), desk.user("")
    rows = json.loads(desk.vtcode("config", "path", "--json").stdout)
    states = {row["path"]: row["state"] for row in rows}
    assert states[str(user)] == "used" and states[str(workspace)] == "used, not trusted"
    assert [row["kind"] for row in rows] == ["system", "user", "workspace", "workspace"]


def test_the_committed_schema_is_current_and_takes_what_we_take(desk: Desk) -> None:
    committed = json.loads((REPOSITORY / "docs" / "vtcode.schema.json").read_text())
    assert committed == json.loads(json.dumps(config_schema()))
    assert committed == json.loads(desk.vtcode("config", "schema").stdout)
    validator = jsonschema.Draft202012Validator(committed)
    validator.check_schema(committed)
    for text in (GUIDE, EVERYTHING):
        assert list(validator.iter_errors(tomllib.loads(text))) == []
    for text in ("[agent]\nmax_turns = 0", "[agnet]\n", '[tools.policies]\nread_file = "alow"'):
        assert list(validator.iter_errors(tomllib.loads(text)))


def test_a_file_of_ten_thousand_names_is_told_at_once(desk: Desk) -> None:
    started = time.monotonic()
    for text in (
        "".join(f"k{number} = 1\n" for number in range(10_000)),
        "[tools.policies]\n" + "".join(f"write_file{number * 'x'} = 'deny'\n" for number in range(70, 1200)),
        "[mcp.servers]\n" + "".join(f"s{number} = {{ command = 'x' }}\n" for number in range(10_000)),
    ):
        desk.workspace(text)
        assert "more than 1,000 names" in desk.error()
    desk.workspace("".join(f"k{number}z{number} = 1\n" for number in range(900)))
    assert len(desk.load().warnings) == 11
    assert time.monotonic() - started < 3


def test_every_value_knows_its_line(desk: Desk) -> None:
    desk.user(EVERYTHING)
    found = configure(desk.root, desk.environ)
    lines = EVERYTHING.splitlines()
    for path, value in found.values.items():
        if path[-2:] != ("env", "LEVEL"):
            assert value.line is not None and value.written[-1] in lines[value.line - 1], path
