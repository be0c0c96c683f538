"""Which templates know tools, and what ours adds to those that do not."""

from lmserver.engines.template import call_opening, knows_tools, with_tools

HERMES = "{%- if tools %}<tools>{{ tools | tojson }}</tools> answer with <tool_call>{% endif %}"
PLAIN = "{% for message in messages %}{{ message.content }}{% endfor %} tools are nice"
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"


def test_a_template_that_knows_tools_is_left_as_it_is() -> None:
    assert knows_tools(HERMES)
    assert with_tools(HERMES) == HERMES
    assert call_opening(HERMES) == "<tool_call>\n"


def test_a_word_in_its_text_is_no_knowledge_of_tools() -> None:
    assert not knows_tools(PLAIN)


def test_a_template_without_tools_gets_ours_before_its_own_text() -> None:
    wrapped = with_tools(PLAIN)
    assert wrapped.endswith(PLAIN)
    assert knows_tools(wrapped)
    assert "knows_system = true" in wrapped


def test_a_template_that_refuses_a_system_message_is_given_none() -> None:
    assert "knows_system = false" in with_tools(NO_SYSTEM)
