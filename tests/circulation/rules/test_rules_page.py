"""The librarian's page and the example policy are complete and true."""

import re
import tomllib
from pathlib import Path

import pytest

from circulation.checkout import Permitted, decide_checkout
from circulation.doc import Doc
from circulation.policy import Policy
from circulation.reasons import NOT_OVERRIDABLE, TIME_REASONS, Reason
from circulation.terms import NAMES, READER_WIDE, READERS, Late, Terms

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
EXAMPLE = tomllib.loads((ROOT / "examples" / "policy.toml").read_text(encoding="utf-8"))
FIELD_ROW = re.compile(r"^\| `(\w+)`( ★)? \| `(.+?)` \| .+ \| `(.+?)`", re.MULTILINE)
REASON_ROW = re.compile(r"^\| `(\w+)`( ◦)?( ✕)? \| [^|]+ \|$", re.MULTILINE)


def test_the_page_names_every_field_once_in_its_order():
    """What a library can set is on the page, and nothing else."""
    assert [row[0] for row in FIELD_ROW.findall(PAGE)] == list(NAMES)


@pytest.mark.parametrize("row", FIELD_ROW.findall(PAGE), ids=lambda row: row[0])
def test_each_row_tells_the_built_in_value_and_an_example_that_works(row, school):
    """The value as built is the program's, the star is right, the example can be pasted."""
    name, star, built_in, example = row
    value = tomllib.loads(f"value = {built_in}")["value"]
    read = None if (name, value) == ("renewal", "none") else READERS[name](Doc(value, name))

    assert read == getattr(Terms(), name)
    assert bool(star) == (name in READER_WIDE)
    assert name in school.policy(tomllib.loads(example)).versions[0].rules[0].settings


def test_the_page_names_what_late_returns_may_cost():
    """Every option of `late` is on the page."""
    assert all(f"`{name}" in PAGE for name in Late.__dataclass_fields__)


def test_the_page_lists_every_reason_in_the_order_they_are_told():
    """All reasons, in the fixed order, with the marks that are true of them."""
    rows = REASON_ROW.findall(PAGE)

    assert [code for code, _, _ in rows] == [reason.value for reason in Reason]
    assert {Reason(code) for code, mark, _ in rows if mark} == TIME_REASONS
    assert {Reason(code) for code, _, mark in rows if mark} == NOT_OVERRIDABLE


def test_the_page_names_every_part_of_a_policy_and_of_a_calendar(school):
    """No table of the document is left unexplained."""
    policy = Policy.from_doc(EXAMPLE)
    names = {*policy.to_doc(), *policy.calendar("main").to_doc()} - {"versions"}

    assert {name for name in names if f"`{name}" not in PAGE} == set()


def test_every_snippet_on_the_page_is_toml():
    """What is shown can be pasted."""
    snippets = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)

    assert all(tomllib.loads(snippet) for snippet in snippets)
    assert len(snippets) >= 5


def test_the_example_policy_is_read_and_written_again():
    """A complete school, without a mistake."""
    policy = Policy.from_doc(EXAMPLE)

    assert Policy.from_doc(policy.to_doc()) == policy


@pytest.mark.parametrize(
    ("reader", "thing", "instant", "due"),
    [
        ("pupil", "book", "2026-09-15 09:45", "2026-09-29 16:50"),
        ("pupil", "book", "2026-09-21 09:45", "2026-10-10 16:50"),
        ("pupil", "book", "2027-01-20 09:45", "2027-01-29 16:50"),
        ("teacher", "book", "2026-09-15 09:45", "2026-12-08 16:50"),
        ("teacher", "film", "2026-09-15 09:45", "2026-10-10 16:50"),
        ("class", "book", "2026-09-15 09:45", "2027-01-29 16:50"),
        ("pupil", "game", "2026-09-15 09:45", "2026-09-15 12:45"),
        ("pupil", "textbook", "2026-09-15 09:45", "2027-06-25 16:50"),
        ("pupil", "book", "2027-02-08 09:45", "2027-03-01 16:50"),
    ],
)
def test_the_example_policy_lends_as_its_comments_say(school, reader, thing, instant, due):
    """Fourteen days for pupils, twelve weeks for teachers, the term for a class."""
    request = school.checkout(
        policy=Policy.from_doc(EXAMPLE),
        patron=school.patron(category=reader, class_name="3(2)"),
        item=school.item(item_type=thing, owner="DE-Schul-1"),
        now=school.now(instant),
    )

    decision = decide_checkout(request)

    assert isinstance(decision, Permitted)
    assert decision.due_at == school.local(due)
