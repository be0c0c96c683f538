"""The box on macOS, without a Mac: its profile, read by the rules of its language, and what stands around it."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from vtcode.sandbox import Level, seatbelt
from vtcode.sandbox.seatbelt import Ground, boxed, profile
from vtcode.workspace import PROTECTED_NAMES, is_secret_name

ME = Path("/Users/me")
WORK = ME / "code" / "a (b)"
PRIVATE = "/private/tmp/vtcode-box-1"

Rule = str | list["Rule"]

SNAPSHOT = r"""(version 1)
(deny default)
(allow process-fork)
(allow process-exec)
(allow process-info* (target same-sandbox))
(allow signal (target same-sandbox))
(allow sysctl-read)
(allow ipc-posix-sem)
(allow mach-lookup (global-name "com.apple.system.opendirectoryd.libinfo"))
(allow file-ioctl (literal "/dev/null"))
(allow file-read*)
(allow file-write* (literal "/dev/null") (literal "/dev/zero"))
(deny file-read-data file-read-xattr (subpath "/Users"))
(deny file-read-data file-read-xattr (subpath "/private/tmp"))
(deny file-read-data file-read-xattr (subpath "/Users/me"))
(deny file-read-data file-read-xattr (subpath "/private/var/tmp"))
(deny file-read-data file-read-xattr (subpath "/private/var/folders"))
(deny file-read-data file-read-xattr (subpath "/private/var/root"))
(allow file-read* (subpath "/Users/me/.cargo/bin"))
(allow file-read* (subpath "/Users/me/code/a (b)"))
(allow file-write* (subpath "/Users/me/code/a (b)"))
(deny file-write* (regex "^/users/me/code/a [(]b[)]/(.*/)?(PROTECTED)(/.*)?$"))
(deny file-write* (subpath "/Users/me/code/a (b)/.venv") (subpath "/Users/me/code/a (b)/git-folder"))
(deny file-read* file-write* (regex "^/users/me/code/a [(]b[)]/(.*/)?(KEYS)(/.*)?$"))
(allow file-read* file-write* (subpath (param "PRIVATE")))
(deny network*)
"""
"""Letters of regular expressions, which are there in upper and lower case, are written once."""


def read(text: str) -> list[Rule]:
    """Read a profile as the lists that it is made of; texts keep a quote in front."""
    tokens: Iterator[tuple[str, str, str]] = iter(re.findall(r'([()])|"((?:[^"\\]|\\.)*)"|([^\s()"]+)', text))

    def items() -> list[Rule]:
        found: list[Rule] = []
        for bracket, quoted, word in tokens:
            if bracket == "(":
                found.append(items())
            elif bracket == ")":
                return found
            else:
                found.append(word or '"' + re.sub(r"\\(.)", r"\1", quoted))
        return found

    return items()


def matches(where: Rule, path: str) -> bool:
    match where:
        case ["subpath", ["param", '"PRIVATE']]:
            return path == PRIVATE or path.startswith(PRIVATE + "/")
        case ["subpath", str(top)]:
            return path == top[1:] or path.startswith(top[1:] + "/")
        case ["literal", str(literal)]:
            return path == literal[1:]
        case ["global-name", str(name)]:
            return path == name[1:]
        case ["target", "same-sandbox"]:
            return path == "same-sandbox"
        case ["regex", str(pattern)]:
            return re.search(pattern[1:], path) is not None
        case _:
            raise AssertionError(f"an unknown filter: {where}")


def allows(text: str, operation: str, path: str) -> bool:
    """Decide as the kernel does: the last rule that matches."""
    decision = False
    for rule in read(text):
        match rule:
            case ["version", "1"] | ["deny", "default"]:
                continue
            case [("allow" | "deny") as answer, *rest]:
                operations = [item for item in rest if isinstance(item, str)]
                filters = [item for item in rest if not isinstance(item, str)]
                is_meant = any(
                    operation.startswith(each[:-1]) if each.endswith("*") else operation == each
                    for each in operations
                )
                if is_meant and (not filters or any(matches(where, path) for where in filters)):
                    decision = answer == "allow"
            case _:
                raise AssertionError(f"an unknown rule: {rule}")
    return decision


def can_read(text: str, path: object) -> bool:
    return allows(text, "file-read-data", str(path))


def can_write(text: str, path: object) -> bool:
    return allows(text, "file-write-data", str(path))


@pytest.fixture
def text() -> str:
    return profile(Ground(WORK, ME, (ME / ".cargo/bin",), (WORK / ".venv", WORK / "git-folder")))


def test_the_whole_profile_is_known(text: str) -> None:
    told = re.sub(r"\[([A-Z])[a-z]\]", lambda found: found[1].lower(), text)
    protected, keys = re.findall(
        r'\(regex "\^/users/me/code/a \[\(\]b\[\)\]/\(\.\*/\)\?\((.*)\)\(/\.\*\)\?\$"\)', told
    )
    assert len(protected.split("|")) == len(PROTECTED_NAMES) and len(keys.split("|")) > 20
    assert told.replace(protected, "PROTECTED").replace(keys, "KEYS") == SNAPSHOT


@pytest.mark.parametrize("name", sorted(PROTECTED_NAMES))
def test_what_steers_a_later_start_is_closed_whether_it_exists_or_not(text: str, name: str) -> None:
    for path in (name, f"sub/deep/{name}", f"{name}/below", name.upper(), f"sub/{name.title()}/x"):
        assert not can_write(text, WORK / path), path
        assert can_read(text, WORK / path) is not is_secret_name(name), path
    assert can_write(text, WORK / f"{name}x") is not is_secret_name(f"{name}x")
    assert can_write(text, WORK / f"x{name}")


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".env.local",
        ".ENV",
        "sub/.env",
        "server.pem",
        "a/b/Server.KEY",
        ".ssh/config",
        ".AWS/credentials",
        ".npmrc",
    ],
)
def test_what_holds_keys_is_neither_read_nor_written(text: str, path: str) -> None:
    assert not can_read(text, WORK / path) and not can_write(text, WORK / path)


def test_the_workspace_and_a_private_folder_are_writable_and_nothing_else(text: str) -> None:
    for path in (WORK, WORK / "a", WORK / "a/b.txt", WORK / "keyboard.md", f"{PRIVATE}/.bashrc", "/dev/null"):
        assert can_write(text, path), path
    for path in (
        *("/", "/etc/hosts", "/Users/me/code/a (b)2/x", "/Users/me/code/x", "/Users/me/.zshrc", "/private/tmp/x"),
        *(
            "/dev/disk0",
            f"{PRIVATE}2/x",
            "/Users/me/.cargo/bin/x",
            WORK / ".venv/bin/python",
            WORK / "git-folder/config",
        ),
    ):
        assert not can_write(text, path), path


def test_the_system_is_readable_and_people_are_not(text: str) -> None:
    for path in ("/usr/lib/x", "/etc/hosts", "/Library/x", "/Users/me/.cargo/bin/rg", WORK / "a", f"{PRIVATE}/x"):
        assert can_read(text, path), path
    for path in (
        *("/Users/me/.ssh/id_rsa", "/Users/me/.cargo/credentials", "/Users/you/x", "/Users/me/code/other/x"),
        *("/private/tmp/agent.sock", "/private/var/folders/a/b/T/x", "/private/var/root/x"),
    ):
        assert not can_read(text, path), path
        assert allows(text, "file-read-metadata", path), path


@pytest.mark.parametrize("workspace", [ME, ME / "code", Path("/Users"), Path("/private/tmp/w")])
def test_a_workspace_in_at_or_around_what_is_hidden_shows_and_the_home_in_it_does_not(workspace: Path) -> None:
    text = profile(Ground(workspace, ME))
    assert can_read(text, workspace / "a") and can_write(text, workspace / "a")
    assert can_read(text, ME / "x") is (ME.is_relative_to(workspace) and workspace == ME)
    assert not can_read(text, "/private/tmp/x")


def test_with_the_root_folder_as_workspace_nothing_is_writable() -> None:
    text = profile(Ground(Path("/"), ME))
    assert not any(can_write(text, path) for path in ("/x", "/etc/x", "/usr/x", "/.git/config"))
    assert not can_read(text, "/Users/me/x") and not can_read(text, "/srv/.env")


def test_the_network_is_open_only_where_it_is_asked_for(text: str) -> None:
    assert not allows(text, "network-outbound", "")
    assert allows(profile(Ground(WORK, ME), network=True), "network-outbound", "")
    assert (
        not allows(text, "mach-lookup", "")
        and not allows(text, "iokit-open", "")
        and not allows(text, "system-socket", "")
    )


@pytest.mark.parametrize(
    "name",
    [
        'a"b',
        "a\\b",
        "a'b",
        'a") (allow default) ("',
        "a.b",
        "a*b",
        "a[b]",
        "a^b$",
        "a{2}",
        "a|b",
        "a+?",
        "ü",
        "A b",
        "a#b;c",
    ],
)
def test_odd_names_mean_themselves_and_say_nothing_else(name: str) -> None:
    text = profile(Ground(ME / name, ME))
    assert can_write(text, ME / name / "x") and not can_write(text, ME / name / ".git/config")
    assert not can_read(text, ME / name / ".env")
    # A text that ended early would bring rules or words of its own.
    plain = profile(Ground(ME / "plain", ME))
    assert [len(rule) for rule in read(text)] == [len(rule) for rule in read(plain)]


@pytest.mark.parametrize("name", ["a\nb", "a\x1bb", "a\u202eb", "a\0b"])
def test_a_path_that_cannot_be_written_into_a_profile_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be written into a profile"):
        profile(Ground(Path("/w") / name, Path("/h")))


def test_no_rule_uses_a_flag_that_macos_takes_and_does_not_know(text: str) -> None:
    assert "(?" not in text


FAKE = """#!/bin/sh
# Stands where sandbox-exec does: keeps what it was told, and runs the command without a box.
[ "$1" = -D ] && [ "$3" = -p ] || exit 64
printf '%s\\n' "$2" "$4" > "$(dirname "$0")/told"
shift 4
exec "$@"
"""


def test_a_command_has_a_private_home_which_goes_when_it_ends(home: Path) -> None:
    program, work = home / "sandbox-exec", home / "work"
    program.write_text(FAKE)
    program.chmod(0o755)
    work.mkdir()
    line = 'echo "$HOME" "$TMPDIR"; stat -c %a "$HOME"; echo x > "$HOME/.bashrc"; echo "$0 $1"; exit 7'
    argv = boxed(("/bin/sh", "-c", line, "a b", "$c"), work, home, {}, program=str(program))
    ended = subprocess.run(argv, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (7, "")
    where, mode, words = ended.stdout.splitlines()
    private = where.split()[0]
    assert where == f"{private} {private}" and mode == "700" and words == "a b $c"
    assert private.startswith("/tmp/vtcode-box-") and not Path(private).exists()
    told = (home / "told").read_text()
    assert told.startswith(f"PRIVATE={private}\n(version 1)\n(deny default)\n")


def test_the_private_home_goes_too_when_the_command_is_told_to_end(home: Path) -> None:
    program, work = home / "sandbox-exec", home / "work"
    program.write_text(FAKE)
    program.chmod(0o755)
    work.mkdir()
    argv = boxed(("/bin/sh", "-c", 'echo "$HOME"; exec sleep 60'), work, home, {}, program=str(program))
    process = subprocess.Popen(
        argv, env={"PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    private = Path(process.stdout.readline().strip())
    assert private.is_dir()
    # As a run ends one: the whole group.
    subprocess.run(["kill", "-TERM", "--", f"-{process.pid}"], check=True)
    assert process.wait(10) == 143
    assert not private.exists()


def test_it_is_whole_once_its_self_test_has_passed_and_of_macos_alone() -> None:
    assert Level.SEATBELT.is_whole
    assert seatbelt.fault(Path.home()) == "Seatbelt is of macOS alone"
