"""Which replies a schema lets a model write."""

import jsonschema

from vtcode.providers import Request, ToolSpec
from vtcode.tools import TOOLS

SPECS = tuple(ToolSpec(tool.name, tool.description, tool.parameters()) for tool in TOOLS)
BASE = Request(model="m", system="", messages=())


def accepts(schema: dict[str, object], name: str, **arguments: object) -> bool:
    try:
        jsonschema.validate({"name": name, "arguments": arguments}, schema)
    except jsonschema.ValidationError:
        return False
    return True
