"""Configuration: bounded where it is read, and a typo never becomes a default."""

import pytest

from circulation.config import Section, read_config
from circulation.errors import CirculationError, ConfigInvalid

FILE = """
library = "harbour"
port = 1883
lends = true
languages = ["en", "de"]
site_key = "000102030405060708090a0b0c0d0e0f"

[broker]
host = "localhost"

[lane.north]
pin = 17

[lane.south]
pin = 27
"""


@pytest.fixture
def config(tmp_path) -> Section:
    """The file above, read."""
    path = tmp_path / "station.toml"
    path.write_text(FILE, encoding="utf-8")
    return read_config(path)


def test_every_kind_of_option_is_read(config):
    """What is in the file comes out with its type."""
    assert config.text("library") == "harbour"
    assert config.integer("port", minimum=1, maximum=65535) == 1883
    assert config.boolean("lends") is True
    assert config.texts("languages") == ("en", "de")
    assert config.secret("site_key") == bytes(range(16))
    assert config.section("broker").text("host") == "localhost"
    pins = {
        name: lane.integer("pin", minimum=0, maximum=27)
        for name, lane in config.table("lane").items()
    }
    assert pins == {"north": 17, "south": 27}
    config.close()


def test_an_option_that_is_left_out_has_its_default(config):
    """Defaults are given where the value is used, and are checked like the file's."""
    assert config.text("name", default="Desk") == "Desk"
    assert config.integer("keepalive_s", default=30, minimum=5, maximum=600) == 30
    assert config.boolean("beams", default=False) is False
    assert config.choice("mode", ["loud", "quiet"], default="loud") == "loud"
    assert config.texts("rooms", default=()) == ()
    assert config.section("printer", optional=True).text("kind", default="none") == "none"
    assert config.table("doors", optional=True) == {}
    assert config.has("port")
    assert not config.has("name")


def test_a_missing_option_is_named(config):
    """The message names file, section and option."""
    with pytest.raises(ConfigInvalid, match=r"station.toml, section \[broker\]: option port is m"):
        config.section("broker").integer("port", minimum=1, maximum=65535)


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (lambda c: c.text("port"), "option port must be a text in quotes"),
        (lambda c: c.text("empty"), "option empty must not be empty"),
        (lambda c: c.text("library", chars_max=3), "must have at most 3 characters"),
        (lambda c: c.integer("library", minimum=0, maximum=9), "must be a whole number"),
        (lambda c: c.integer("lends", minimum=0, maximum=9), "must be a whole number"),
        (lambda c: c.integer("port", minimum=0, maximum=9), "must be from 0 to 9, not 1883"),
        (lambda c: c.boolean("port"), "must be true or false"),
        (lambda c: c.choice("library", ["harbor", "hill"]), "did you mean harbor"),
        (lambda c: c.choice("port", ["a"]), "must be one of a"),
        (lambda c: c.secret("library"), "must be at least 32 hex digits"),
        (lambda c: c.secret("site_key", bytes_min=32), "must be at least 64 hex digits"),
        (lambda c: c.secret("port"), "must be at least 32 hex digits"),
        (lambda c: c.texts("port"), "must be a list of at most 64 texts"),
        (lambda c: c.texts("languages", items_max=1), "must be a list of at most 1 texts"),
        (lambda c: c.texts("numbers"), "must be a list"),
        (lambda c: c.section("port"), "must be a section"),
        (lambda c: c.table("port"), r"must hold sections, as \[port.name\]"),
        (lambda c: c.table("broker"), r"must hold sections, as \[broker.name\]"),
    ],
)
def test_a_value_out_of_bounds_says_what_would_be_right(read, reason):
    """Each wrong value is refused where it is read, in words a librarian can act on."""
    values = {
        "library": "harbour",
        "port": 1883,
        "lends": True,
        "empty": "",
        "numbers": [1],
        "languages": ["en", "de"],
        "site_key": "000102030405060708090a0b0c0d0e0f",
        "broker": {"host": "localhost"},
    }
    with pytest.raises(ConfigInvalid, match=reason):
        read(Section(values, file="station.toml"))


def test_a_wrong_secret_is_not_repeated():
    """A key that was mistyped does not land in a log."""
    section = Section({"key": "5ec2e7"}, file="station.toml")

    with pytest.raises(ConfigInvalid) as caught:
        section.secret("key")

    assert "5ec2e7" not in str(caught.value)


def test_an_option_nobody_read_is_an_error(config):
    """A typo is found at the start, with the name that was meant."""
    config.text("libary", default="x")
    with pytest.raises(ConfigInvalid, match="option library is not an option here; did you mean"):
        config.close()


def test_an_unread_option_is_found_at_any_depth():
    """Sections inside sections are checked too, and an unknown one without a near name."""
    section = Section({"lane": {"north": {"zzz": 1}}}, file="station.toml")
    section.table("lane")["north"].integer("pin", default=1, minimum=0, maximum=9)

    with pytest.raises(ConfigInvalid, match=r"section \[lane.north\]: option zzz is not an"):
        section.close()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff", "not UTF-8 at byte 0"),
        (b"port = ", "not TOML"),
        (b"# " + b"x" * 300_000, "larger than 262144 bytes"),
    ],
)
def test_a_file_that_is_no_configuration_says_so(tmp_path, content, reason):
    """A damaged file is refused whole."""
    path = tmp_path / "station.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigInvalid, match=reason):
        read_config(path)


def test_a_file_that_is_not_there_says_so(tmp_path):
    """The message names the path and the system's reason."""
    with pytest.raises(ConfigInvalid, match=r"no\.toml: cannot be read: No such file") as caught:
        read_config(tmp_path / "no.toml")

    assert isinstance(caught.value, CirculationError)
