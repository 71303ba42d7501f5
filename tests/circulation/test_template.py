"""A station's configuration made from what the gateway knows of it."""

import tomllib

import pytest

from circulation.errors import ConfigInvalid
from circulation.template import filled

TEMPLATE = """\
# A station.
library = "school"            # as on the gateway
languages = ["en", "de"]      # the first is the screen's
lends = true                  # false: only takes books back
port = 1

[broker]
host = "127.0.0.1"
port = 1883
"""


def test_values_go_to_their_places_and_comments_stay():
    """A name of one section is not that of another; texts may hold quotes."""
    text = filled(
        TEMPLATE,
        {
            "library": 'the "old" one',
            "languages": ["zh"],
            "lends": False,
            "broker": {"port": 8883},
        },
    )

    assert tomllib.loads(text) == {
        "library": 'the "old" one', "languages": ["zh"], "lends": False, "port": 1,
        "broker": {"host": "127.0.0.1", "port": 8883},
    }  # fmt: skip
    assert "            # as on the gateway" in text
    assert text.startswith("# A station.\n")


def test_nothing_to_fill_in_leaves_the_template_as_it_is():
    """Byte for byte."""
    assert filled(TEMPLATE, {}) == TEMPLATE


def test_an_option_the_template_does_not_have_is_named():
    """A whole old configuration is copied, not filled in."""
    with pytest.raises(ConfigInvalid, match=r"no option librari, devices\.pad; a whole"):
        filled(TEMPLATE, {"librari": "x", "devices": {"pad": {}}})
