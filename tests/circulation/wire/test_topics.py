"""Topics: who may be named in one, and whom each is about."""

import hashlib

import pytest

from circulation.wire import topics
from circulation.wire.errors import TopicInvalid
from circulation.wire.topics import Address, Topics, bucket, client_id, parse

TOPICS = Topics("harbour")


@pytest.mark.parametrize(
    ("topic", "address"),
    [
        (TOPICS.status("kiosk-1"), Address("status", "harbour", "kiosk-1", None, None, None)),
        (TOPICS.journal("kiosk-1"), Address("journal", "harbour", "kiosk-1", None, None, None)),
        (TOPICS.request("kiosk-1"), Address("request", "harbour", "kiosk-1", None, None, None)),
        (TOPICS.telemetry("k"), Address("telemetry", "harbour", "k", None, None, None)),
        (TOPICS.reply("kiosk-1"), Address("reply", "harbour", "kiosk-1", None, None, None)),
        (TOPICS.config("kiosk-1"), Address("config", "harbour", "kiosk-1", None, None, None)),
        (TOPICS.site_loan("main"), Address("site_loan", "harbour", None, "main", None, None)),
        (TOPICS.site_ask("main"), Address("site_ask", "harbour", None, "main", None, None)),
        (TOPICS.site_alarm("main"), Address("site_alarm", "harbour", None, "main", None, None)),
        (TOPICS.gateway_status(), Address("gateway_status", "harbour", None, None, None, None)),
        (TOPICS.head(), Address("head", "harbour", None, None, None, None)),
        (TOPICS.applied("main"), Address("applied", "harbour", None, "main", None, None)),
        (
            TOPICS.snapshot("may_leave", "json-1"),
            Address("snapshot", "harbour", None, None, "may_leave", "json-1"),
        ),
        (
            TOPICS.change("may_leave"),
            Address("change", "harbour", None, None, "may_leave", None),
        ),
    ],
)
def test_every_topic_says_whom_it_is_about(topic, address):
    """What we write we also read; each topic has one meaning."""
    assert parse(topic) == address


def test_topics_are_those_of_the_protocol():
    """The layout is fixed: access lists and other programs are written against it."""
    first_byte = hashlib.sha256(b"harbour/kiosk-1").hexdigest()[:2]

    assert client_id("harbour", "kiosk-1") == "harbour/kiosk-1"
    assert bucket("harbour", "kiosk-1") == first_byte
    assert TOPICS.journal("kiosk-1") == f"lg/1/harbour/{first_byte}/kiosk-1/journal"
    assert TOPICS.site_loan("main") == "lg/1/harbour/site/main/loan"
    assert TOPICS.applied("main") == "lg/1/harbour/gateway/applied/main"
    assert TOPICS.snapshot("patrons", "sqlite-1") == (
        "lg/1/harbour/gateway/snapshot/patrons/sqlite-1"
    )


def test_two_libraries_may_each_have_a_kiosk_1():
    """Without the library in the client id they would throw each other out for ever."""
    assert client_id("harbour", "kiosk-1") != client_id("hill", "kiosk-1")
    assert Topics("harbour").status("kiosk-1") != Topics("hill").status("kiosk-1")


def test_the_gateway_hears_every_station_or_one_bucket():
    """A worker may take a bucket of its own; no shared subscription is needed."""
    assert TOPICS.all_stations() == [
        "lg/1/harbour/+/+/status",
        "lg/1/harbour/+/+/journal",
        "lg/1/harbour/+/+/request",
        "lg/1/harbour/+/+/telemetry",
    ]
    assert TOPICS.all_stations("0f")[1] == "lg/1/harbour/0f/+/journal"
    assert TOPICS.all_sites() == ["lg/1/harbour/site/+/alarm"]


def test_a_station_listens_to_what_concerns_it():
    """Its own replies and status; the gateway's news; its own building; nothing it cannot read."""
    own = TOPICS.own("kiosk-1")
    news = TOPICS.from_gateway("main", ("may_leave",))
    building = TOPICS.from_site("main")

    assert own == [TOPICS.reply("kiosk-1"), TOPICS.status("kiosk-1")]
    assert news == [
        "lg/1/harbour/gateway/status",
        "lg/1/harbour/gateway/head",
        "lg/1/harbour/gateway/applied/main",
        "lg/1/harbour/gateway/change/may_leave",
        "lg/1/harbour/gateway/snapshot/may_leave/+",
    ]
    assert building == [
        "lg/1/harbour/site/main/loan",
        "lg/1/harbour/site/main/ask",
        "lg/1/harbour/site/main/alarm",
    ]


@pytest.mark.parametrize("name", ["", "Kiosk", "a/b", "a+b", "#", "k" * 33, "kiösk", "a b"])
def test_a_name_that_would_break_a_topic_is_refused(name):
    """No name can widen a topic into another's, or into a wildcard."""
    with pytest.raises(TopicInvalid):
        Topics(name)
    with pytest.raises(TopicInvalid):
        TOPICS.status(name)
    with pytest.raises(TopicInvalid):
        TOPICS.site_loan(name)
    with pytest.raises(TopicInvalid):
        TOPICS.change(name)


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("", "must be lg/1/library"),
        ("lg/2/harbour/gateway/head", "must be lg/1/library"),
        ("lg/1/harbour/head", "must be lg/1/library"),
        ("lg/1/Harbour/gateway/head", "library 'Harbour': must be"),
        ("lg/1/harbour/gateway/heads", "no such topic of the gateway"),
        ("lg/1/harbour/gateway/applied/Main", "site 'Main': must be"),
        ("lg/1/harbour/gateway/change/May", "kind 'May': must be"),
        ("lg/1/harbour/gateway/snapshot/patrons/sq_lite", "format 'sq_lite': must be"),
        ("lg/1/harbour/site/main/loans", "no such topic of a site"),
        ("lg/1/harbour/site/Main/loan", "site 'Main': must be"),
        ("lg/1/harbour/00/kiosk-1/journal", "kiosk-1 belongs to bucket"),
        ("lg/1/harbour/00/kiosk-1/gossip", "no such topic of a station"),
        ("lg/1/harbour/00/Kiosk/journal", "station 'Kiosk': must be"),
        ("lg/1/" + "h" * 300, "longer than 256"),
    ],
)
def test_a_topic_of_somebody_else_is_refused(topic, reason):
    """A topic outside the protocol says what is wrong with it."""
    with pytest.raises(TopicInvalid, match=reason):
        parse(topic)


def test_topics_that_were_read_are_remembered_within_bounds():
    """A peer that makes up names costs a bounded room, and each topic is read as ever."""
    made = Topics("north")
    stations = [f"kiosk-{n}" for n in range(topics.KNOWN_MAX + 100)]

    for _ in range(2):
        read = [parse(made.journal(station)).station for station in stations]
        assert read == stations

    assert len(topics._KNOWN) <= 4096
    assert len(topics._BUCKETS) <= 4096
