"""Reading scenario files: what is understood, and how everything else is refused."""

import random

import pytest

from sim.errors import ScenarioInvalid
from sim.scenario.forms import FORMS, SLOTS
from sim.scenario.text import parse_scenario, read_scenario

SAMPLES = {
    "THING": "Momo", "THINGS": 'Momo and "Snow Goose" and 300', "NEW": '"A Guest"',
    "PLACE": "shelf",
    "STATION": "kiosk-1", "KIOSK": "kiosk-1", "GATE": "gate-1", "LANE": "lane-2", "WHERE": "out",
    "DEVICE": "kiosk-1/pad", "FAULT": "slow", "OPTIONS": "slow_ms=700 share=0.5", "LINK": "down",
    "WHO": "gateway", "WORD": "amber", "TEXT": '"some words"', "NUMBER": "3", "TIME": "300 ms",
    "OWNER": "US-XYZ",
}  # fmt: skip


def parsed(line):
    (step,) = parse_scenario(line).steps
    return step


def refusal(text):
    with pytest.raises(ScenarioInvalid) as refused:
        parse_scenario(text, "mine.scenario")
    return str(refused.value)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_every_form_is_read_as_itself(form):
    """Each step there is can be written, with all its clauses in any order, and with none."""
    clauses = [" ".join(SAMPLES.get(w, w) for w in clause.split()) for clause in form.clauses]
    head = " ".join(SAMPLES.get(word, word) for word in form.head.split())

    assert parsed(head).name == form.name
    assert parsed(" ".join([head, *clauses])).name == form.name
    assert parsed(" ".join([head, *reversed(clauses)])).name == form.name


def test_every_slot_is_explained_and_used():
    """The page of words has no gap and nothing left over."""
    used = {w for form in FORMS for part in (form.head, *form.clauses) for w in part.split()}

    assert {word for word in used if word.isupper()} == set(SLOTS)


def test_a_file_has_a_title_and_numbered_lines(tmp_path):
    """The first comment is the title; comments and empty lines count, but are no steps."""
    file = tmp_path / "a_day.scenario"
    file.write_text("\ufeff# A long day.\n\n# more\nwait 1 s   # breathe\n\nmend kiosk-1/pad\n")

    scenario = read_scenario(file)

    assert scenario.title == "A long day"
    assert [step.place for step in scenario.steps] == [f"{file}:4", f"{file}:6"]
    assert read_scenario_title(tmp_path, "wait 1 s") == "a quiet day"


def read_scenario_title(folder, text):
    file = folder / "a_quiet_day.scenario"
    file.write_text(text)
    return read_scenario(file).title


@pytest.mark.parametrize(
    ("written", "ms"),
    [("300 ms", 300), ("300ms", 300), ("2 s", 2_000), ("1.5s", 1_500), ("2 min", 120_000)],
)
def test_times_are_written_as_people_do(written, ms):
    """With and without a space, in ms, s, min or h."""
    assert parsed(f"wait {written}").values == {"TIME": ms}


def test_what_comes_before_a_step_is_kept():
    """When it is due, and whether the next one waits for it."""
    step = parsed("at 3 s after 20 ms meanwhile walk in through gate-1 lane-1 with Momo and Dune")

    assert (step.at_ms, step.after_ms, step.meanwhile) == (3_000, 20, True)
    assert step.word("LANE") == "lane-1"
    assert step.words("THINGS") == ["Momo", "Dune"]


def test_quotation_keeps_every_sign():
    """Spaces, number signs and quotation marks inside a title are part of it."""
    step = parsed(r'scan "No. #1, \"the best\" and more" at kiosk-1')

    assert step.word("THING") == 'No. #1, "the best" and more'


def test_options_of_a_fault_are_numbers():
    """Whole or with a point."""
    step = parsed("fault kiosk-1/pad intermittent share=0.4 seed=3")

    assert step.options() == {"share": 0.4, "seed": 3}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("plase Momo on shelf", "no verb 'plase' (did you mean 'place'?); there are bring, place"),
        ("place Momo at shelf", "expected 'on', not 'at'; write: place THINGS on PLACE"),
        ("place Momo on", "expected PLACE, shelf, cards"),
        ("place Momo and on shelf", "expected 'on', not 'shelf'"),
        ("walk up through gate-1", "expected out or in, not 'up'"),
        ("walk out through gate-1 with", "expected THINGS"),
        ("walk out through gate-1 within 3 s", "not 'within'"),
        ("link kiosk-1 dwon", "expected up or down or stalled, not 'dwon' (did you mean 'down'?)"),
        ("wait", "expected TIME, 300 ms, 2 s or 1 min"),
        ("wait soon", "expected a time"),
        ("wait 3", "expected a time"),
        ("wait -3 s", "expected a time"),
        ("wait 25 h", "expected a time"),
        ("wait 2 s more", "expected nothing more, not 'more'"),
        ("at noon wait 2 s", "expected a time"),
        ("expect", "not the end of the line"),
        ("expect alram at gate-1", "(did you mean 'alarm'?)"),
        ("expect alarm at gate-1 soon", "expected 'within TIME' or 'naming TEXT', not 'soon'"),
        ("expect alarm at gate-1 within 1 s within 2 s", "expected 'naming TEXT', not 'within'"),
        ("expect waiting many at kiosk-1", "expected a whole number, not 'many'"),
        ("expect waiting 99999999 at kiosk-1", "expected a whole number"),
        ("fault kiosk-1/pad slow soon", "options of a fault"),
        ("fault kiosk-1/pad slow slow_ms=fast", "options of a fault"),
        ('scan "Momo at kiosk-1', "a quotation that does not end"),
        ("at 5 s", "a time alone; write behind it what happens then"),
        ("meanwhile after 2 s # then", "a time alone"),
        ('scan "" at kiosk-1', "expected THING"),
        ("scan Mo\x07mo at kiosk-1", "a control character"),
        ("scan " + "x" * 600, "a line of 605 characters; at most 500"),
    ],
)
def test_a_line_that_is_not_understood_is_named(line, says):
    """File, line, what was expected there, and the nearest word that exists."""
    said = refusal(f"# mine\nwait 1 s\n{line}\n")

    assert said.startswith("mine.scenario:3: ")
    assert says in said


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no step in it"),
        (b"# nothing\n\n", "no step in it"),
        (b"wait 1 s\nscan \xff at kiosk-1\n", ":2: not UTF-8 text"),
        (b"wait 1 s\n" * 1_001, "1001 steps; at most 1000"),
        (b"#" * 70_000, "more than 65536 bytes"),
    ],
)
def test_a_hostile_file_is_refused_by_name(tmp_path, content, says):
    """Empty, binary, endless: a sentence each."""
    file = tmp_path / "x.scenario"
    file.write_bytes(content)

    with pytest.raises(ScenarioInvalid, match=says):
        read_scenario(file)


def test_a_file_that_is_not_there_is_named(tmp_path):
    """The sentence has the file and the reason."""
    with pytest.raises(ScenarioInvalid, match=r"none\.scenario: cannot be read"):
        read_scenario(tmp_path / "none.scenario")


def test_no_text_breaks_the_reader(seed):
    """Whatever stands in a file, the answer is steps or one named error."""
    chance = random.Random(seed)
    words = [*(word for form in FORMS for word in form.usage.split()), *SAMPLES.values(), '"', "#"]
    refused = []
    for _ in range(2_000):
        line = " ".join(chance.choices(words, k=chance.randrange(1, 9)))
        try:
            parse_scenario(line)
        except ScenarioInvalid as error:
            refused.append(str(error))

    assert refused
    assert all(said.startswith("scenario") for said in refused)
