"""The protocol's page shows every message, and each example is one."""

import json
import re
from pathlib import Path

import pytest

from circulation.wire import messages
from circulation.wire.fact import decode_body
from circulation.wire.topics import parse

PAGE = Path(__file__).parents[3] / "docs" / "protocol.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"`(lg/1/[^`\n]+)`\n\n```json (\w+)\n(.*?)```", TEXT, re.DOTALL)

NAMES = sorted(name for name in messages.__all__ if name[0].isupper())


@pytest.mark.parametrize(("topic", "name", "example"), EXAMPLES)
def test_every_example_is_what_it_says(topic, name, example):
    """An example decodes under its name, and encoding it again says the same."""
    message = messages.decode(getattr(messages, name), example.encode())

    assert json.loads(messages.encode(message)) == json.loads(example)
    if parse(topic).name == "reply":
        assert messages.decode_reply(example.encode()) == message


def test_every_message_has_an_example():
    """Nothing crosses the wire that the page does not show."""
    assert sorted({name for _, name, _ in EXAMPLES}) == NAMES


def test_no_example_is_left_unread():
    """Each block of JSON on the page is either a fact or a message under its topic."""
    facts = re.findall(r"```json fact\n(.*?)```", TEXT, re.DOTALL)

    assert len(facts) == 1
    assert decode_body(facts[0].encode())["kind"] == "checkout"
    assert TEXT.count("```json") == len(EXAMPLES) + len(facts)
