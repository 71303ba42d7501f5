"""Rules by scope and version, and documents that are no policy."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.doc import Doc
from circulation.due import Length, Unit
from circulation.errors import CirculationError
from circulation.policy import CASES_KEPT_MAX, Policy, PolicyInvalid
from circulation.terms import READER_WIDE, READERS, Terms

FULL = {
    "max_loans": 7,
    "late": {"fee_per_day_cents": 10, "max_fee_cents": 300},
    "renewal": {"days": 7},
    "max_overdue": "none",
}


def terms(policy, category="pupil", item_type="book", member="DE-1", site="main"):
    version = policy.versions[0]
    return version.terms(category=category, item_type=item_type, member=member, site=site)


def test_without_rules_the_built_in_terms_hold(school):
    """Four weeks, ten items, two renewals, and neither fee nor suspension."""
    found = terms(school.policy())

    assert found == Terms()
    assert found.loan == Length(Unit.DAYS, 28)
    assert (found.late.fee_per_day_cents, found.late.suspension_days_per_day) == (0, 0)


def test_answers_are_kept_and_not_for_ever(school):
    """The same case is answered without looking again; endless invented cases fill no memory."""
    version = school.policy({"site": "main", "renewals": 5}).versions[0]

    def ask(site):
        return version.terms(category="pupil", item_type="book", member="DE-1", site=site)

    first = ask("main")
    again = ask("main")
    for number in range(CASES_KEPT_MAX):
        ask(f"invented-{number}")
    later = ask("main")

    assert again is first
    assert later is not first
    assert later == first
    assert first.renewals == 5


SCOPES = [
    {"category": "pupil"},
    {"item_type": "book"},
    {"member": "DE-1"},
    {"site": "main"},
]


@pytest.mark.parametrize("strong", range(4))
@pytest.mark.parametrize("weak", range(4))
def test_category_outweighs_item_type_outweighs_member_outweighs_site(school, strong, weak):
    """One rule for each: the earlier in this order decides, in whatever order they stand."""
    if strong == weak:
        return
    rules = [SCOPES[strong] | {"renewals": strong}, SCOPES[weak] | {"renewals": weak}]

    assert terms(school.policy(*rules)).renewals == min(strong, weak)
    assert terms(school.policy(*reversed(rules))).renewals == min(strong, weak)


def test_one_named_category_outweighs_all_other_places_together(school):
    """The weights are places of a number, not points to be added."""
    policy = school.policy(
        {"category": "pupil", "renewals": 1},
        {"item_type": "book", "member": "DE-1", "site": "main", "renewals": 2},
    )

    assert terms(policy).renewals == 1


def test_each_field_is_looked_up_on_its_own(school):
    """A rule states only what differs."""
    policy = school.policy(
        {"renewals": 5, "grace_days": 2},
        {"category": "pupil", "renewals": 1},
        {"category": "pupil", "item_type": "film", "loan": {"days": 3}},
    )

    film = terms(policy, item_type="film")

    assert (film.renewals, film.grace_days, film.loan.count) == (1, 2, 3)
    assert terms(policy, category="teacher").renewals == 5


def test_unknown_categories_and_types_get_the_open_rules(school):
    """A reader imported with a category nobody set up is a reader all the same."""
    policy = school.policy({"renewals": 5}, {"category": "pupil", "renewals": 1})

    assert terms(policy, category="alumni", item_type="map").renewals == 5
    assert not policy.category("alumni").rota_exempt


def test_the_latest_version_begun_applies(school):
    """A version reaches kiosks beforehand and applies from its date; the first also before."""
    doc = school.policy_doc()
    doc["versions"] = [
        {"version": 3, "from": "2026-08-01", "rules": []},
        {"version": 4, "from": "2026-10-01", "rules": [{"renewals": 0}]},
    ]
    policy = Policy.from_doc(doc)

    def number(day):
        return policy.version_on(dt.date.fromisoformat(day)).version

    assert [number(day) for day in ("2020-01-01", "2026-08-01", "2026-09-30")] == [3, 3, 3]
    assert [number(day) for day in ("2026-10-01", "2030-01-01")] == [4, 4]
    assert policy.version_of(3, dt.date(2026, 12, 1)).version == 3
    assert policy.version_of(2, dt.date(2026, 12, 1)).version == 4


def test_sites_fall_back_to_the_entry_for_all(school):
    """A site's own calendar, rota and patterns, else those under *, else none."""
    policy = school.policy(
        sites=["main", "annex"],
        calendars={"annex": {"hours": {"sat": ["10:00-12:00"]}}, "*": {"hours": school.week}},
        barcodes={"annex": [{"kind": "item", "mask": "#"}]},
    )

    assert policy.calendar("annex").hours[5]
    assert not policy.calendar("main").hours[5]
    assert policy.rota("annex").slots == ()
    assert len(policy.barcodes("annex").patterns) == 1
    assert policy.barcodes("main").patterns == ()
    assert school.policy(calendars={}).calendar("main").hours[6]


def test_a_class_knows_its_grade(school):
    """Grades are named once, by class."""
    policy = school.policy(grades={"3(2)": "3"})

    assert policy.grade("3(2)") == "3"
    assert policy.grade("4(1)") is None
    assert policy.grade(None) is None


def test_age_limits_are_what_rules_name(school):
    """The gateway works out which of them a reader has reached."""
    policy = school.policy(
        {"item_type": "film", "minimum_age": 16},
        {"minimum_age": 0},
        {"site": "x", "minimum_age": 12},
    )

    assert policy.age_limits() == (12, 16)


def test_a_policy_is_written_as_it_was_read(school):
    """Reading what was written gives the same policy, every option included."""
    doc = school.policy_doc(
        FULL,
        {"item_type": "book", "loan": {"until": "2027-06-25"}, "minimum_age": 6},
        {"item_type": "game", "loan": {"end_of": "term"}, "late": {"suspension_days_per_day": 1}},
        categories={"pupil": {"youngest": 6}, "teacher": {"rota_exempt": True}},
        members=["DE-1"],
        sites=["main"],
        calendars={
            "*": {
                "hours": school.week,
                "hours_odd": {"sat": ["09:00-24:00"]},
                "closed": [{"name": "x", "first": "2026-10-01"}],
                "make_up": [
                    {"day": "2026-10-10", "as": "thu", "week": "odd"},
                    {"day": "2026-10-17", "as": "fri"},
                ],
                "exceptions": [{"day": "2026-10-12", "hours": []}],
                "terms": [{"name": "t", "first": "2026-09-01", "last": "2026-12-01"}],
                "exams": [
                    {"name": "e", "first": "2026-11-01", "hours": {"sun": ["10:00-12:00"]}},
                    {"name": "f", "first": "2026-11-05", "rota": "off"},
                ],
            }
        },
        rotas={"main": {"slots": [{"on": ["mon"], "time": "12:00-13:00", "grades": ["3"]}]}},
        grades={"3(2)": "3"},
        barcodes={"*": [{"kind": "item", "mask": "3#{13}", "check": "codabar_mod10"}]},
        reading_rooms=["reading-room"],
        retention_days=30,
    )
    policy = Policy.from_doc(doc)

    assert Policy.from_doc(policy.to_doc()) == policy


def test_dates_and_times_as_toml_writes_them_are_read(school):
    """TOML has dates of its own; both ways of writing mean the same."""
    doc = school.policy_doc()
    doc["versions"][0]["from"] = dt.date(2026, 1, 1)

    assert Policy.from_doc(doc) == school.policy()
    assert Doc(dt.time(8, 30), "x").minutes() == 510


def test_every_field_has_a_reader():
    """No field of the terms is out of a librarian's reach."""
    assert READERS.keys() == set(Terms.__dataclass_fields__)
    assert READERS.keys() >= READER_WIDE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zone": "Mars/Olympus"}, "policy.zone: 'Mars/Olympus' is no time zone"),
        ({"zone": "../../etc/passwd"}, "policy.zone: '../../etc/passwd' is no time zone"),
        ({"zone": "Europe"}, "policy.zone: 'Europe' is no time zone"),
        ({"zone": 7}, "policy.zone: expected a text, found int"),
        ({"zone": ""}, "policy.zone: expected 1 to 200 characters, found 0"),
        ({"zone": "a\x00b"}, "policy.zone: holds a control character"),
        ({"zone": "\ud800"}, "policy.zone: holds a control character"),
        ({"zone": " UTC"}, "begins or ends with a blank"),
        ({"versions": []}, "policy.versions: expected 1 to 200 versions, found 0"),
        ({"versions": {}}, "policy.versions: expected a list, found dict"),
        ({"versions": None}, "policy.versions: expected a list, found nothing"),
        ({"versions": [{"version": 1}]}, "policy.versions[0]: 'from' is missing"),
        ({"versions": [{"version": 0, "from": "2026-01-01"}]}, "versions[0].version: 0 is not"),
        (
            {"versions": [{"version": 10**400, "from": "2026-01-01"}]},
            "a huge number is not within",
        ),
        (
            {"versions": [{"version": 1, "from": "2026-01-01"}] * 2},
            "versions[1]: versions must rise",
        ),
        ({"categories": []}, "policy.categories: expected a table, found list"),
        ({"categories": {1: {}}}, "policy.categories: a key is int, expected text"),
        ({"categories": {"a\nb": {}}}, "policy.categories (a name): holds a control character"),
        ({"categories": {"pupil": {"yongest": 3}}}, "did you mean 'youngest'?"),
        ({"reading_rooms": ["a", "a"]}, "policy.reading_rooms: names something twice"),
        ({"reading_rooms": ["a"] * 5_001}, "policy.reading_rooms: more than 5000 elements"),
        ({"grades": {str(n): "1" for n in range(5_001)}}, "policy.grades: more than 5000 entries"),
        ({"retention_days": 0}, "policy.retention_days: 0 is not within 1 to 3650"),
        ({"retention_days": "90"}, "policy.retention_days: expected a whole number, found str"),
        ({"sites": ["main"], "rotas": {"mian": {}}}, "policy.rotas.mian: 'mian' is not one of"),
        ({"calender": {}}, "policy: 'calender' is not an option; did you mean 'calendars'?"),
        (
            {"rotas": {"*": {"slots": [{"on": ["mon"], "time": "12:00-13:00", "grades": ["9"]}]}}},
            "policy.rotas.*.slots[0].grades: no class has the grade '9'",
        ),
    ],
)
def test_a_mistake_in_a_policy_is_named_with_its_path(school, change, message):
    """A hostile or mistyped document raises one named error and changes nothing."""
    with pytest.raises(PolicyInvalid) as caught:
        Policy.from_doc(school.policy_doc() | change)

    assert message in str(caught.value)
    assert isinstance(caught.value, CirculationError)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([{"category": "pupils"}], "rules[0].category: 'pupils' is not one of *, pupil, teacher"),
        ([{"item_type": "bok"}], "did you mean 'book'?"),
        ([{"renewal_s": 1}], "rules[0]: 'renewal_s' is not an option; did you mean 'renewals'?"),
        ([{"renewals": 1}, {"renewals": 2}], "rules[1]: another rule has the same scope"),
        ([{"item_type": "book", "max_loans": 3}], "max_loans is about the reader"),
        ([{"member": "DE-1", "pin_needed": True}], "pin_needed is about the reader"),
        ([{"reach": 0}], "rules[0].reach: 0 is not within 1 to 3"),
        ([{"on_site_reach": 3}], "rules[0].on_site_reach: 3 is not within 0 to 2"),
        ([{"pin_needed": "yes"}], "rules[0].pin_needed: expected true or false, found str"),
        ([{"max_loans": -1}], "rules[0].max_loans: -1 is not within 0 to 10000"),
        (
            [{"late": {"fee_per_day_cents": 10, "suspension_days_per_day": 1}}],
            "rules[0].late: name a fee or a suspension, not both",
        ),
        ([{}] * 2_001, "policy.versions[0]: more than 2000 rules"),
        (["rule"], "rules[0]: expected a table, found str"),
    ],
)
def test_a_mistake_in_a_rule_is_named_with_its_path(school, rules, message):
    """A typing mistake never becomes a default."""
    with pytest.raises(PolicyInvalid) as caught:
        school.policy(*rules)

    assert message in str(caught.value)


def test_members_and_sites_are_checked_where_they_are_listed(school):
    """Without a list any name will do."""
    with pytest.raises(PolicyInvalid, match="did you mean 'DE-1'"):
        school.policy({"member": "DE-l"}, members=["DE-1"])
    with pytest.raises(PolicyInvalid, match="site: 'x' is not one of"):
        school.policy({"site": "x"}, sites=["main"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = ["zone", "categories", "item_types", "versions", "calendars", "rotas", "barcodes", "grades"]


@settings(max_examples=200)
@given(st.data())
def test_no_document_breaks_the_reader(school, data):
    """Whatever stands in a document, it is read or PolicyInvalid is raised."""
    doc = school.policy_doc()
    target = data.draw(st.sampled_from([doc, doc["versions"][0], doc["calendars"]["*"], None]))
    if target is None:
        doc = data.draw(JSON)
    else:
        key = data.draw(st.sampled_from([*KEYS, *target]))
        target[key] = data.draw(JSON)
    try:
        policy = Policy.from_doc(doc)
    except PolicyInvalid as error:
        policy, problem = None, str(error)

    if policy is None:
        assert problem.startswith("policy")
    else:
        assert Policy.from_doc(policy.to_doc()) == policy
