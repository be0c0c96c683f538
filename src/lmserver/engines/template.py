"""Gives tools to a chat template that knows none, and says how a call opens."""

import re
from importlib.resources import files

CALL_OPENING = "<tool_call>\n"
"""What stands before a call in our own tool prompt, and in the Hermes and Qwen families."""

_KNOWS_TOOLS = re.compile(r"\{[%{][^}]*\btools\b")
_REFUSES_SYSTEM = re.compile(r"raise_exception\([^)]*[Ss]ystem")


def knows_tools(template: str) -> bool:
    """Tell whether a template's own code mentions the tools that a request offers."""
    return _KNOWS_TOOLS.search(template) is not None


def with_tools(template: str) -> str:
    """Put our tool prompt before a template that knows no tools, and leave any other as it is.

    llama.cpp then renders, constrains and parses calls as it does for a template that was made for tools.
    """
    if knows_tools(template):
        return template
    knows_system = "false" if _REFUSES_SYSTEM.search(template) else "true"
    rewriting = files("lmserver.engines").joinpath("tools.jinja").read_text(encoding="utf-8")
    return f"{{%- set knows_system = {knows_system} -%}}\n{rewriting.rstrip()}{template}"


def call_opening(template: str) -> str:
    """Say what to write before a forced call, so that it reads as the model's own format does."""
    return CALL_OPENING if CALL_OPENING.rstrip() in template else ""
