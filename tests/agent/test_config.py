"""How the layers of configuration become settings, and what is said of mistakes."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.desk import Desk
from tests.agent.support import GUIDE
from vtcode.approval import BUILT_IN, Policy, judge
from vtcode.config import ConfigError, load
from vtcode.settings import Settings


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# Layers -------------------------------------------------------------------------------------------------


def test_without_any_configuration_the_defaults_hold(desk: Desk) -> None:
    assert desk.load() == Settings()
    settings = desk.load()
    assert (settings.provider, settings.default_model, settings.max_turns) == ("lmstudio", None, 50)
    assert (settings.base_url, settings.base_url_is_set) == ("http://localhost:1234/v1", False)


def test_the_guides_file_works_and_its_default_policy_holds_for_tools_it_does_not_name(desk: Desk) -> None:
    desk.workspace(GUIDE)
    settings = desk.load()
    assert settings.default_model == "lmstudio-community/meta-llama-3.1-8b-instruct"
    assert settings.warnings == ()
    allowed = {name for name in BUILT_IN if judge(settings.policies, name).policy is Policy.ALLOW}
    assert allowed == {"read_file"}
    assert judge(settings.policies, "read_file").rule == 'tools.policies.read_file = "allow" (vtcode.toml)'


def test_layers_are_merged_from_low_to_high(desk: Desk) -> None:
    desk.user('[agent]\ndefault_model = "user"\nmax_turns = 1\nmax_tokens = 1\ntemperature = 1\n')
    desk.workspace('[agent]\ndefault_model = "workspace"\nmax_turns = 2\nmax_tokens = 2\n')
    extra = desk.extra('[agent]\ndefault_model = "extra"\nmax_turns = 3\n')
    settings = desk.load(config=str(extra), default_model="flag")
    found = (settings.temperature, settings.max_tokens, settings.max_turns, settings.default_model)
    assert found == (1.0, 2, 3, "flag")
    assert settings.sources == {
        "agent.temperature": str(desk.home / ".config" / "vtcode" / "vtcode.toml"),
        "agent.max_tokens": "vtcode.toml",
        "agent.max_turns": str(extra),
        "agent.default_model": "--model",
    }


def test_the_folder_is_looked_at_only_without_a_file_of_its_own(desk: Desk) -> None:
    desk.workspace("[agent]\nmax_turns = 7\n", ".vtcode/vtcode.toml")
    assert desk.load().max_turns == 7
    desk.workspace("[agent]\nmax_turns = 8\n")
    assert desk.load().max_turns == 8


def test_a_file_can_be_named_in_the_environment(desk: Desk) -> None:
    desk.environ["VTCODE_CONFIG_PATH"] = str(desk.extra("[agent]\nmax_turns = 9\n"))
    assert desk.load().max_turns == 9
    desk.environ["VTCODE_CONFIG_PATH"] = "  "
    assert desk.load().max_turns == 50
    desk.environ["VTCODE_CONFIG_PATH"] = "/nowhere/x.toml"
    assert desk.error() == "VTCODE_CONFIG_PATH names /nowhere/x.toml, which does not exist."
    assert "--config" in desk.error(config="/nowhere/x.toml")


def test_the_users_folder_is_where_xdg_says_unless_that_is_relative(desk: Desk) -> None:
    desk.user("[agent]\nmax_turns = 7\n")
    desk.workspace("[agent]\nmax_turns = 8\n", "x/vtcode/vtcode.toml")
    desk.environ["XDG_CONFIG_HOME"] = "x"
    assert desk.load().max_turns == 7
    desk.environ["XDG_CONFIG_HOME"] = str(desk.root / "x")
    assert desk.load().max_turns == 8


# What a workspace may say -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[tools.policies]\nrun_terminal_cmd = "allow"\n', "tools.policies.run_terminal_cmd"),
        ('[tools]\ndefault_policy = "allow"\n', "tools.default_policy"),
    ],
)
def test_a_workspace_cannot_allow_commands_but_the_user_can(desk: Desk, text: str, key: str) -> None:
    desk.workspace(text)
    settings = desk.load()
    assert judge(settings.policies, "run_terminal_cmd").policy is Policy.PROMPT
    (warning,) = settings.warnings
    assert f'{key} = "allow" is ignored' in warning and "`vtcode trust`" in warning
    same = desk.load(config=str(desk.root / "vtcode.toml"))
    assert judge(same.policies, "run_terminal_cmd").policy is Policy.ALLOW and not same.warnings
    desk.user(text)
    trusted = desk.load()
    assert judge(trusted.policies, "run_terminal_cmd").policy is Policy.ALLOW and not trusted.warnings


@pytest.mark.parametrize(
    "workspace",
    [
        '[tools.policies]\nwrite_file = "allow"\n',
        '[tools.policies]\nwrite_file = "prompt"\n',
        '[tools]\ndefault_policy = "prompt"\n',
    ],
)
@pytest.mark.parametrize("user", ['[tools.policies]\nwrite_file = "deny"\n', '[tools]\ndefault_policy = "deny"\n'])
def test_a_workspace_cannot_lift_what_the_user_denies(desk: Desk, user: str, workspace: str) -> None:
    desk.user(user)
    desk.workspace(workspace)
    settings = desk.load()
    assert judge(settings.policies, "write_file").policy is Policy.DENY


def test_a_workspace_can_tighten(desk: Desk) -> None:
    desk.user('[tools]\ndefault_policy = "allow"\n')
    desk.workspace('[tools.policies]\nread_file = "deny"\nrun_terminal_cmd = "prompt"\n')
    settings = desk.load()
    assert judge(settings.policies, "read_file").policy is Policy.DENY
    assert judge(settings.policies, "run_terminal_cmd").policy is Policy.PROMPT
    assert settings.warnings == ()


# Mistakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[agent]\n\nmax_turns = 0",
            "vtcode.toml, line 3: agent.max_turns is 0; expected a whole number from 1 to 100,000.",
        ),
        (
            '[agent]\nmax_turns = "many"',
            'vtcode.toml, line 2: agent.max_turns is "many"; expected a whole number from 1 to 100,000.',
        ),
        (
            "agent.temperature = 2.5",
            "vtcode.toml, line 1: agent.temperature is 2.5; expected a number from 0 to 2.",
        ),
        ("[agent]\ntemperature = nan", "vtcode.toml, line 2: agent.temperature is a value out of range; expected a "),
        ("[agent]\nmax_turns = true", "vtcode.toml, line 2: agent.max_turns is true; expected a whole number from "),
        (
            '[agent]\nprofile = "fast"',
            'vtcode.toml, line 2: agent.profile is "fast"; expected "auto", "full", "compact" or "guided".',
        ),
        (
            '[agent]\nprovider = "lmstudoi"',
            (
                'vtcode.toml, line 2: agent.provider is "lmstudoi"; the providers are "lmstudio", "openai", '
                '"ollama", "llamacpp".'
            ),
        ),
        (
            '[tools.policies]\nwrite_file = "alow"',
            'vtcode.toml, line 2: tools.policies.write_file is "alow"; expected "allow", "prompt" or "deny". Did you '
            'mean "allow"?',
        ),
        (
            '[tools]\ndefault_policy = ["deny"]',
            'vtcode.toml, line 2: tools.default_policy is a list; expected "allow", "prompt" or "deny".',
        ),
        (
            "[tools.policies]\nread_file = true",
            'vtcode.toml, line 2: tools.policies.read_file is true; expected "allow", "prompt" or "deny".',
        ),
        (
            "[tools.policies]\nother = 1",
            'vtcode.toml, line 2: tools.policies.other is 1; expected "allow", "prompt" or "deny".',
        ),
        (
            '[tools.policies]\nwrite_fiel = "deny"',
            "vtcode.toml, line 2: tools.policies.write_fiel is not known. Did you mean write_file?",
        ),
        (
            '[tools.policies]\nWrite-File = "deny"',
            "vtcode.toml, line 2: tools.policies.Write-File is not known. Did you mean write_file?",
        ),
        ("[agnet]\n", "vtcode.toml, line 1: agnet is not known. Did you mean agent?"),
        (
            "[tools]\ndefault_polcy = 1",
            "vtcode.toml, line 2: tools.default_polcy is not known. Did you mean default_",
        ),
        ("agent = 3", "vtcode.toml, line 1: agent is 3; expected a table, written [agent]."),
        ('[tools]\npolicies = "deny"', 'vtcode.toml, line 2: tools.policies is "deny"; expected a table, written [t'),
        (
            "[agent]\nx = 1\ny =\n",
            "vtcode.toml, line 3: not valid TOML (Invalid value). Correct the line or remove it.",
        ),
        ("[[[", "vtcode.toml, line 1: not valid TOML ("),
        (f"x = {'[' * 100_000}", "vtcode.toml is nested too deeply."),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_was_expected(desk: Desk, text: str, message: str) -> None:
    desk.workspace(text)
    assert desk.error().startswith(message)


def test_files_that_are_no_configuration_are_told_at_once(desk: Desk, tmp_path: Path) -> None:
    path = desk.workspace("")
    with path.open("wb") as file:
        file.truncate(100_000_000)
    assert "larger than 1 MiB" in desk.error()
    path.write_bytes(b"[agent]\n# caf\xe9\n")
    assert desk.error() == "vtcode.toml, line 2: not valid UTF-8. Save the file as UTF-8."
    path.unlink()
    path.mkdir()
    assert desk.error() == "vtcode.toml cannot be read: it is not a file. Correct or remove it."
    path.rmdir()
    os.mkfifo(path)
    started = time.monotonic()
    assert "not a file" in desk.error()
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "not a file" in desk.error()
    path.unlink()
    path.symlink_to(path)
    assert desk.error() == "vtcode.toml cannot be read: Too many levels of symbolic links. Correct or remove it."
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "text",
    [
        f"{'.'.join('a' * 20_000)} = 1\n",
        f"[{'.'.join('h' * 16)}]\n" + "".join(f"k{number}{'.a' * 15} = 1\n" for number in range(20_000)),
        f"x = {{ {', '.join(f'k{number}{chr(46)}a{chr(46)}a = 1' for number in range(20_000))} }}\n",
    ],
    ids=["one long key", "many keys", "one long line"],
)
def test_dotted_keys_that_take_the_reader_long_are_refused_at_once(desk: Desk, text: str) -> None:
    desk.workspace(text)
    started = time.monotonic()
    assert desk.error().startswith("vtcode.toml is nested too deeply.")
    assert time.monotonic() - started < 1


def test_dots_in_texts_and_comments_are_not_taken_for_keys(desk: Desk) -> None:
    dots = "a." * 90
    desk.workspace(f'# {dots}\n[agent]\ndefault_model = "{dots}"  # {dots}\n')
    assert desk.load().default_model == dots


def test_a_file_from_another_editor_may_begin_with_a_byte_order_mark(desk: Desk) -> None:
    desk.workspace("\ufeff[agent]\r\nmax_turns = 3\r\n")
    assert desk.load().max_turns == 3


def test_what_other_programs_know_is_only_warned_of(desk: Desk) -> None:
    desk.workspace(
        'unknown = 1\n[ui]\ntool_output_mode = "full"\n[agent]\ntheme = "dark"\n[tools]\nmax_tool_loops = 20\n'
        '[tools.policies]\ncreate_file = "deny"\napply_patch = "prompt"\nbash = "deny"\n'
    )
    told = desk.load().warnings
    for name in (
        "unknown",
        "ui.tool_output_mode",
        "agent.theme",
        "tools.max_tool_loops",
        "tools.policies.create_file",
    ):
        assert f"vtcode.toml: {name} is not known here and has no effect." in told
    assert len(told) == 6


def test_flags_are_checked_like_files(desk: Desk) -> None:
    assert desk.error(provider="lmstudo").startswith('--provider: agent.provider is "lmstudo"; the providers are')


def test_names_in_errors_cannot_steer_the_terminal(desk: Desk) -> None:
    desk.workspace('[tools.policies]\n"write_file\\u001b[2J\\u202e" = "deny\\u001b"\n')
    assert not {"\x1b", "\u202e"} & set(desk.error())


# Environment --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://localhost:4321/v1", "http://localhost:4321/v1"),
        ("  https://models.example/v1//  ", "https://models.example/v1"),
        ("http://[::1]:1234/v1/", "http://[::1]:1234/v1"),
    ],
)
def test_the_base_url_is_taken_from_the_environment(desk: Desk, given: str, url: str) -> None:
    desk.environ["LMSTUDIO_BASE_URL"] = given
    settings = desk.load()
    assert (settings.base_url, settings.base_url_is_set) == (url, True)


def test_empty_variables_are_unset(desk: Desk) -> None:
    desk.environ |= {"LMSTUDIO_BASE_URL": " ", "LMSTUDIO_API_KEY": "\n"}
    settings = desk.load()
    assert (settings.base_url, settings.base_url_is_set, settings.api_key) == (
        "http://localhost:1234/v1",
        False,
        None,
    )


@pytest.mark.parametrize(
    "url",
    [
        *("localhost:1234/v1", "ftp://x/v1", "http://", "http://u:hunter2@x/v1", "http://x:99999/v1", "http://x y/"),
        *("http://x/v1?key=hunter2", "http://x/v1#f", "file:///etc/passwd", "http://x/\x1b", "http://[::1/v1"),
    ],
)
def test_a_base_url_that_cannot_be_meant_is_refused_without_repeating_it(desk: Desk, url: str) -> None:
    desk.environ["LMSTUDIO_BASE_URL"] = url
    message = desk.error()
    assert message.startswith("LMSTUDIO_BASE_URL") and "http://localhost:1234/v1" in message
    assert "hunter2" not in message


def test_the_key_is_never_shown(desk: Desk) -> None:
    desk.environ["LMSTUDIO_API_KEY"] = " hunter2 "
    settings = desk.load()
    assert settings.api_key == "hunter2"
    assert "hunter2" not in repr(settings) + str(settings)
    desk.environ["LMSTUDIO_API_KEY"] = "hunter2\nX-Evil: 1"
    assert "hunter2" not in desk.error()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://gpu.example:1234/v1", "gpu.example"),
        ("http://192.168.0.7/v1", "192.168.0.7"),
        ("https://gpu.example/v1", None),
        ("http://127.0.0.1:1/v1", None),
        ("http://[::1]/v1", None),
        ("http://localhost/v1", None),
        ("http://127.0.0.1.example/v1", "127.0.0.1.example"),
    ],
)
def test_a_key_that_can_be_read_on_its_way_is_warned_of(desk: Desk, url: str, host: str | None) -> None:
    desk.environ |= {"LMSTUDIO_BASE_URL": url, "LMSTUDIO_API_KEY": "k"}
    warnings = desk.load().warnings
    assert len(warnings) == (host is not None)
    assert host is None or host in warnings[0]


@given(st.binary(max_size=200) | st.text(alphabet="[]{}=\"\n#.tolsagen dfu_pcy'", max_size=200).map(str.encode))
def test_no_file_brings_more_than_an_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    root = tmp_path_factory.mktemp("w")
    (root / "vtcode.toml").write_bytes(data)
    try:
        load(root, {"HOME": str(root / "home")})
    except ConfigError as error:
        assert "vtcode.toml" in str(error)


@pytest.mark.parametrize(
    "text",
    [
        '[tools]\nwrite_file = "deny"\n',
        'write_file = "deny"\n',
        'default_policy = "deny"\n',
        '[policies]\nwrite_file = "deny"\n',
        '[tools.policy]\nwrite_file = "deny"\n',
        '[agent]\nrun_terminal_cmd = "deny"\n',
        f"[agent]\nmax_turns = {'9' * 5000}\n",
    ],
)
def test_a_policy_in_the_wrong_place_is_an_error_and_no_warning(tmp_path: Path, text: str) -> None:
    (tmp_path / "vtcode.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"vtcode\.toml"):
        load(tmp_path, {"HOME": str(tmp_path / "home")})


def test_a_workspace_never_goes_below_what_the_user_wrote(tmp_path: Path) -> None:
    user = tmp_path / "home" / ".config" / "vtcode" / "vtcode.toml"
    user.parent.mkdir(parents=True)
    user.write_text('[tools.policies]\nread_file = "prompt"\nwrite_file = "prompt"\n')
    (tmp_path / "vtcode.toml").write_text(
        '[tools.policies]\nread_file = "allow"\nwrite_file = "deny"\nedit_file = "allow"\n'
    )
    settings = load(tmp_path, {"HOME": str(tmp_path / "home")})
    verdicts = {name: judge(settings.policies, name).policy for name in ("read_file", "write_file", "edit_file")}
    assert verdicts == {"read_file": Policy.PROMPT, "write_file": Policy.DENY, "edit_file": Policy.PROMPT}
    assert [name for name in verdicts for told in settings.warnings if name in told] == ["read_file", "edit_file"]
