"""The description of this server's own API: OpenAPI 3.1, made from the table of endpoints and the wire's structs."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lmserver import __version__
from lmserver.routes import Endpoint
from lmwire.errors import ErrorBody

JsonObject = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"{(\w+)(:\w+)?}")

_EVENT: JsonObject = {
    "description": "Each event, when the body says `stream: true`; `data` is JSON, or `[DONE]` at the end.",
    "type": "object",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
}

_REFUSALS = {
    "400": "what is asked cannot be done; `param` names the member at fault",
    "401": "an API key is needed",
    "403": "another machine's name or another page's origin",
    "404": "there is no such thing",
    "409": "what is asked does not go with the present state",
    "413": "the body is too large",
    "415": "the body is compressed, or is not JSON",
    "429": "too many requests wait already",
    "500": "the server or its engine failed",
    "503": "the server cannot take the request now",
}


def describe(endpoints: Sequence[Endpoint]) -> JsonObject:
    """Describe the endpoints as an OpenAPI document."""
    kinds = list(dict.fromkeys(kind for each in endpoints for kind in (each.body, each.reply) if kind is not None))
    # Structs of one name in two modules get longer names, so that only the references tell which is which.
    references, schemas = msgspec.json.schema_components([*kinds, ErrorBody], ref_template=_REFERENCE)
    content = {
        kind: {"application/json": {"schema": reference}}
        for kind, reference in zip([*kinds, ErrorBody], references, strict=True)
    }
    paths: dict[str, JsonObject] = {}
    for endpoint in endpoints:
        path = _PARAMETER.sub(r"{\1}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, content)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "lmstudio",
            "version": __version__,
            "description": "A local model server: OpenAI's API, and the management of models.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "responses": {
                "Refusal": {"description": "The error, as OpenAI shapes it.", "content": content[ErrorBody]},
            },
        },
        # Any of the two, or none: keys are needed only where the operator set one.
        "security": [{}, {"bearer": []}, {"header": []}],
    }


def _operation(endpoint: Endpoint, content: Mapping[type[msgspec.Struct], JsonObject]) -> JsonObject:
    operation: JsonObject = {
        "operationId": _identifier(endpoint),
        "summary": endpoint.purpose,
        "responses": {"200": _success(endpoint, content)}
        | {
            status: {"$ref": "#/components/responses/Refusal", "description": why}
            for status, why in _REFUSALS.items()
        },
    }
    if names := [name for name, _ in _PARAMETER.findall(endpoint.path)]:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in names
        ]
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": content[endpoint.body]}
    return operation


def _success(endpoint: Endpoint, content: Mapping[type[msgspec.Struct], JsonObject]) -> JsonObject:
    possible = dict(content[endpoint.reply]) if endpoint.reply else {}
    if endpoint.body is not None and "stream" in endpoint.body.__struct_fields__:
        possible["text/event-stream"] = {"schema": _EVENT}
    return {"description": endpoint.purpose} | ({"content": possible} if possible else {})


def _identifier(endpoint: Endpoint) -> str:
    words = re.findall(r"\w+", _PARAMETER.sub(r"\1", endpoint.path))
    return "_".join([endpoint.method.lower(), *words])
