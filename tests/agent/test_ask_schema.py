"""`vtcode ask --schema`: JSON that validates, or nothing and the place where it fails."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.support import Bench, bench, says
from tests.support.faults import STREAM_HEAD, fault_server
from tests.support.processes import REPOSITORY, clean_environment, run
from vtcode.config import ConfigError
from vtcode.schema import Answer, Mismatch, Schema

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "born": {"type": "integer"}},
    "required": ["name", "born"],
    "additionalProperties": False,
}


def ask(b: Bench, schema: object = PERSON, *flags: str) -> subprocess.CompletedProcess[str]:
    text = schema if isinstance(schema, str) else json.dumps(schema)
    b.write("schema.json", text)
    ended = run(["vtcode", "ask", "--schema", "schema.json", *flags, "Who?"], b.environment, cwd=b.workspace)
    assert "Traceback" not in ended.stderr
    return ended


def test_a_valid_answer_is_printed_and_nothing_else(home: Path) -> None:
    with bench(home, says('{"name": "Ada", "born": 1815}')) as b:
        ended = ask(b)
    assert (ended.returncode, ended.stdout) == (0, '{"name": "Ada", "born": 1815}\n')


def test_an_answer_that_does_not_validate_is_asked_for_once_more(home: Path) -> None:
    with bench(
        home, says('{"name": "Ada", "born": "1815"}'), says('```json\n{"name": "Ada", "born": 1815}\n```')
    ) as b:
        ended = ask(b)
    assert (ended.returncode, ended.stdout) == (0, '{"name": "Ada", "born": 1815}\n')
    assert "$.born" in ended.stderr and "once more" in ended.stderr


def test_an_answer_that_never_validates_is_not_printed_and_the_place_is_told(home: Path) -> None:
    with bench(home, says('{"name": 3, "born": 1815}')) as b:
        ended = ask(b)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "error:" in ended.stderr and "$.name: 3 is not of type 'string'" in ended.stderr


def test_words_are_no_answer(home: Path) -> None:
    with bench(home, says("Ada Lovelace, I think.")) as b:
        ended = ask(b)
    assert (ended.returncode, ended.stdout) == (1, "") and "not JSON" in ended.stderr


def test_an_answer_that_was_cut_is_said_to_be_cut(home: Path) -> None:
    with bench(home, {"text": '{"name": "Ada', "cut": True}) as b:
        ended = ask(b)
    assert (ended.returncode, ended.stdout) == (1, "") and "cut at its token limit" in ended.stderr


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object"),
        ({"type": "persom"}, "$.type"),
        ({"type": "object", "properties": 3}, "$.properties"),
    ],
)
def test_a_file_that_is_no_schema_is_wrong_usage(home: Path, schema: object, words: str) -> None:
    with bench(home, says("{}")) as b:
        ended = ask(b, schema)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--schema" in ended.stderr and "schema.json" in ended.stderr and words in ended.stderr


def test_a_file_that_is_not_there_is_wrong_usage(home: Path) -> None:
    ended = run(["vtcode", "ask", "--schema", "none.json", "Who?"], clean_environment(home), cwd=home)
    assert ended.returncode == 2 and "none.json" in ended.stderr


def test_events_are_printed_as_for_every_run(home: Path) -> None:
    with bench(home, says('{"name": "Ada", "born": 1815}')) as b:
        ended = ask(b, PERSON, "--json")
    facts = [json.loads(line) for line in ended.stdout.splitlines()]
    assert json.loads(facts[-1]["text"]) == {"name": "Ada", "born": 1815} and ended.returncode == 0


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_the_schema_goes_to_the_server_over_either_api(home: Path, api: str) -> None:
    (home / "schema.json").write_text(json.dumps(PERSON))
    text = json.dumps('{"name": "Ada", "born": 1}')
    chat = f'data: {{"choices":[{{"delta":{{"content":{text}}},"finish_reason":"stop"}}]}}\n\n'
    responses = (
        f'data: {{"type":"response.output_text.delta","delta":{text}}}\n\ndata: {{"type":"response.completed"}}\n\n'
    )
    missing = b"HTTP/1.1 404 X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"

    def answer(request: bytes) -> bytes:
        if api == "responses" and b"/chat/" in request.split(b"\r\n")[0]:
            return missing
        return STREAM_HEAD + (chat if api == "chat" else responses).encode()

    with fault_server(answer) as server:
        environment = clean_environment(home, {"LMSTUDIO_BASE_URL": server.url})
        ended = run(["vtcode", "ask", "--schema", "schema.json", "Who?"], environment, cwd=home)
    assert (ended.returncode, json.loads(ended.stdout)) == (0, {"name": "Ada", "born": 1})
    body = json.loads(server.requests[-1].partition(b"\r\n\r\n")[2])
    told = body["response_format"]["json_schema"] if api == "chat" else body["text"]["format"]
    assert told["schema"] == PERSON


def test_the_default_model_answers_as_the_schema_says(models: Path, home: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "green", "blue"]}, "count": {"type": "integer", "maximum": 9}},
        "required": ["colour", "count"],
        "additionalProperties": False,
    }
    (home / "schema.json").write_text(json.dumps(schema))
    environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models)})
    command = ["vtcode", "ask", "--embedded", "--schema", str(home / "schema.json"), "Name a colour and a number."]
    ended = run(command, environment, cwd=REPOSITORY / "examples" / "orchard")
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert answer["colour"] in {"red", "green", "blue"} and set(answer) == {"colour", "count"}


# Values --------------------------------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_an_answer_has_the_value_of_the_reply_and_is_plain_ascii(value: Any) -> None:
    verdict = Schema({}).judge(json.dumps(value, ensure_ascii=False))
    assert isinstance(verdict, Answer)
    assert json.loads(verdict.text) == value and verdict.text.isascii() and "\x7f" not in verdict.text


@pytest.mark.parametrize("reply", ["", "NaN", "[Infinity]", "{} {}", "[" * 100_000, "'a'", "{a: 1}"])
def test_what_is_not_json_is_a_mismatch(reply: str) -> None:
    verdict = Schema({}).judge(reply)
    assert isinstance(verdict, Mismatch) and verdict.where == "$"


def test_nothing_that_a_schema_refers_to_is_fetched() -> None:
    with fault_server(b"", listing=b"") as server:
        with pytest.raises(ConfigError, match="nothing is fetched"):
            Schema({"$ref": f"{server.url}/schema.json"}).judge("1")
        assert server.requests == []


def test_a_schema_may_refer_to_its_own_parts() -> None:
    schema = Schema({"$defs": {"n": {"type": "integer"}}, "type": "array", "items": {"$ref": "#/$defs/n"}})
    assert isinstance(schema.judge("[1, 2]"), Answer)
    assert str(schema.judge('[1, "x"]')) == "at $[1]: 'x' is not of type 'integer'"
