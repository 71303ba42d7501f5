"""Writing a new book's tag at the kiosk's pad."""

import pytest
from click.testing import CliRunner

from hardware.chips.tag_data import new_content, with_format
from hardware.ports import NTAG, Security
from kiosk.__main__ import main
from kiosk.devices import KioskDevices
from kiosk.tagging import TagNotWritten, write_tag
from sim.clock import VirtualClock
from sim.devices import SimReader
from sim.tags import SimTag
from tests.project import ROOT

UID, OTHER_UID, NTAG_UID = "e004010000000001", "e004010000000002", "04a1b2c3d4e580"
CONTENT = new_content("30001234567", "DE-715")


def pad(*tags, **options):
    """Return a pad with these tags on it, and its clock."""
    clock = VirtualClock()
    reader = SimReader(clock, technologies=("iso15693", NTAG), **options)
    for tag in tags:
        reader.place(tag)
    return reader, clock


@pytest.mark.parametrize("uid", [UID, NTAG_UID])
def test_a_blank_tag_gets_the_number_and_is_secured(uid):
    """After one call a gate would sound for the book, and a kiosk knows its number."""
    tag = SimTag(uid, technology=NTAG if uid == NTAG_UID else "iso15693")

    assert write_tag(*pad(tag), CONTENT) == uid
    assert tag.content is not None
    assert (tag.content.pii, tag.security) == ("30001234567", Security.IN_STOCK)


def test_a_tag_of_another_item_is_not_written_over_by_mistake():
    """The wrong book on the pad keeps its number, unless that is what is wanted."""
    tag = SimTag(UID, content=new_content("40001", "DE-715"))

    with pytest.raises(TagNotWritten, match=r"says item 40001 already.*--replace"):
        write_tag(*pad(tag), CONTENT)
    assert tag.content.pii == "40001"
    write_tag(*pad(tag), CONTENT, replace=True)
    assert tag.content.pii == "30001234567"


def test_a_tag_of_the_same_item_may_be_written_again():
    """Writing that was broken off, or another format for the same book, needs no permission."""
    tag = SimTag(UID, content=CONTENT)

    write_tag(*pad(tag), with_format(CONTENT, "iso28560-2"))

    assert tag.content.format == "iso28560-2"


@pytest.mark.parametrize(
    ("tags", "options", "says"),
    [
        ((), {}, "no tag on the pad"),
        ((UID, OTHER_UID), {}, "2 tags on the pad"),
        ((UID, OTHER_UID), {"tags_max": 1}, "apart"),
    ],
)
def test_only_one_tag_alone_is_written(tags, options, says):
    """With none or several on the pad nobody can know which is meant; after a while it is said."""
    placed = [SimTag(uid) for uid in tags]
    reader, clock = pad(*placed, **options)

    with pytest.raises(TagNotWritten, match=says):
        write_tag(reader, clock, CONTENT, wait_ms=1_000)
    assert [tag.content for tag in placed] == [None] * len(placed)


def simulated_pad(section, clock):
    """A factory as a configuration names it: a pad with one blank tag."""
    reader, _ = pad(SimTag(UID))
    return KioskDevices(reader=reader)


def no_pad(section, clock):
    """A kiosk without a pad."""
    return KioskDevices()


def run(folder, factory, *arguments):
    """Run the command on a configuration with that factory."""
    file = folder / "kiosk.toml"
    file.write_text(f'[devices]\nfactory = "tests.kiosk.test_tagging:{factory}"\n')
    return CliRunner().invoke(main, ["write-tag", str(file), *arguments])


def test_the_command_says_what_it_wrote(tmp_path):
    """One line names the tag, the item and the owner."""
    result = run(tmp_path, "simulated_pad", "30001234567", "--owner", "DE-715", "--parts", "2")

    assert result.output == f"tag {UID}: item 30001234567 of DE-715, in stock\n"
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("factory", "barcode", "says"),
    [
        ("no_pad", "1", "section [devices.pad] is missing"),
        ("simulated_pad", "12\n", "control characters"),
        ("missing", "1", "cannot be found"),
    ],
)
def test_what_cannot_be_written_is_a_sentence(tmp_path, factory, barcode, says):
    """A mistake ends with 1 and one sentence, not with a traceback."""
    result = run(tmp_path, factory, barcode, "--owner", "DE-715")

    assert result.exit_code == 1
    assert says in result.output


def test_the_page_names_the_command():
    """Whoever sets a kiosk up finds how to write tags."""
    page = (ROOT / "docs/kiosk.md").read_text(encoding="utf-8")

    assert "lendgate-kiosk write-tag kiosk.toml 30000001 --owner DE-715" in page
