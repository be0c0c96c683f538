"""Gives tools to a chat template that knows none, and says how a call opens."""

import re
from importlib.resources import files

CALL_OPENING = "<tool_call>\n"
"""What stands before a call in our own tool prompt, and in the Hermes and Qwen families."""

CALL_CLOSING = "\n</tool_call>"

THINK_OPENING, THINK_CLOSING = "<think>", "</think>"

_MAX_TEMPLATE = 256 << 10
_BLOCK = re.compile(r"\{[%{]")
_BLOCK_END = re.compile(r"[%}]\}")
# A quote without its partner reaches to the end, so that no text is scanned twice.
_STRING = re.compile(r"""'(?:[^'\\]|\\.)*+'?|"(?:[^"\\]|\\.)*+"?""", re.DOTALL)
_TOOLS = re.compile(r"(?<![\w.])tools\b")
_REFUSES_SYSTEM = re.compile(r"raise_exception\([^)]*[Ss]ystem")


def knows_tools(template: str) -> bool:
    """Tell whether a template's own code does something with the tools that a request offers."""
    blocks = _BLOCK.split(template[:_MAX_TEMPLATE])[1:]
    codes = (_STRING.sub("", _BLOCK_END.split(block, maxsplit=1)[0]) for block in blocks)
    return any(_TOOLS.search(code) for code in codes)


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


def may_think(template: str) -> bool:
    """Tell whether a template is made for a model that reasons between `<think>` tags."""
    return THINK_OPENING in template and THINK_CLOSING in template
