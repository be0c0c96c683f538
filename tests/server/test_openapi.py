"""The description of our own API is true, and what is made up from it never gives a 5xx."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lmserver.app import ENDPOINTS
from lmserver.openapi import describe
from tests.support.processes import RunningServer, clean_environment, running_server

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
DESCRIPTION = json.loads(json.dumps(describe(ENDPOINTS)))
CONFIG = schemathesis.Config()
CONFIG.projects.default.generation.update(modes=list(GenerationMode))
# Made-up names of models to download would be asked for at the package index.
API: Any = schemathesis.openapi.from_dict(DESCRIPTION, config=CONFIG).exclude(method="POST", path_regex="download")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose one model answers at once, so that many requests take little time."""
    home = tmp_path_factory.mktemp("home")
    script = home / "scripted.json"
    script.write_text('[{"text": "Hello there."}]')
    with running_server(clean_environment(home), home / "log", "--script", str(script)) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


@API.parametrize()
@settings(
    max_examples=40,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
def test_made_up_requests_are_answered_as_described(case: Any, server: RunningServer) -> None:
    if isinstance(case.body, dict) and isinstance(case.body.get("model", ""), str):
        # Any other name would end every request at "there is no such model".
        case.body = case.body | {"model": "scripted"}
    case.call_and_validate(base_url=server.root, checks=CHECKS, timeout=30)


def test_what_the_server_serves_describes_every_endpoint(server: RunningServer) -> None:
    served = httpx2.get(f"{server.root}/openapi.json").json()
    assert served == DESCRIPTION
    described = {(method.upper(), path) for path, methods in served["paths"].items() for method in methods}
    assert described == {(each.method, each.path.replace(":path}", "}")) for each in ENDPOINTS}
    identifiers = [operation["operationId"] for methods in served["paths"].values() for operation in methods.values()]
    assert len(identifiers) == len(set(identifiers))


def test_every_reference_leads_somewhere_and_every_schema_is_one(server: RunningServer) -> None:
    def references(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(target := value.get("$ref"), str):
                yield target
            for each in value.values():
                yield from references(each)
        elif isinstance(value, list):
            for each in value:
                yield from references(each)

    for reference in references(DESCRIPTION):
        place: Any = DESCRIPTION
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
    for schema in DESCRIPTION["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_an_answer_is_what_the_description_says(server: RunningServer) -> None:
    body = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}]}
    answer = httpx2.post(f"{server.url}/chat/completions", json=body).json()
    schema = DESCRIPTION | {"$ref": "#/components/schemas/ChatCompletion"}
    jsonschema.validate(answer, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(answer | {"choices": 5}, schema)
