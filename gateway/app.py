"""The gateway program: reads its configuration, wires its parts, runs until stopped."""

from __future__ import annotations

import json
import logging
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from circulation.config import Section
from circulation.errors import ConfigInvalid
from circulation.keys import FRESH, example_keys
from circulation.link import Endpoint, Link
from circulation.policy import Policy, PolicyInvalid
from circulation.wire.errors import TopicInvalid
from circulation.wire.topics import Topics, client_id
from gateway.board import Desk
from gateway.desk import DeskJournal
from gateway.errors import Fenced
from gateway.hub import Hub
from gateway.ownership import LEASE_MS, Term, take
from gateway.policies import default_document, newest_document, save_policy
from gateway.restore import begin_anew_if_older
from gateway.service import Service, now_ms
from gateway.snapshots import Breather, Snapshots
from gateway.store import Store
from gateway.web.app import create_app
from gateway.web.lists_app import create_lists_app
from gateway.web.live import Pulse
from gateway.web.serving import Certificate, Serving, listening

CLIENT = "gateway"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_log = logging.getLogger(__name__)

EXAMPLE = """\
# The gateway of one library. Paths are relative to this file.
library = {library}
name = "Riverside School Library"
database = {database}
{postgresql}zone = {zone}
site_key = "{site_key}"   # shared with the library's kiosks and gates
card_key = "{card_key}"   # turns card numbers into keyed hashes; keep it secret

[broker]
host = "127.0.0.1"
port = 18830

[web]
host = "127.0.0.1"
port = 18080
"""


FIRST = {"library": "main", "database": "gateway.db", "postgresql": "", "zone": "Europe/Berlin"}
"""What a new configuration says where nothing else is wished."""


def new_configuration(**wished: str) -> str:
    """Return the text of a configuration with fresh keys; wished: options of `FIRST`."""
    said = FIRST | wished
    values = {option: json.dumps(value, ensure_ascii=False) for option, value in said.items()}
    values["postgresql"] = f"postgresql = {values['postgresql']}\n" * bool(said["postgresql"])
    return EXAMPLE.format(site_key=secrets.token_hex(16), card_key=secrets.token_hex(16), **values)


@dataclass(frozen=True, slots=True)
class ListsAt:
    """Where stations on other machines fetch lists, encrypted."""

    host: str
    port: int
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Settings:
    """What a configuration file says, checked."""

    library: str
    name: str
    database: Path
    zone: str
    site_key: bytes
    card_key: bytes
    card_key_id: str
    broker: Endpoint
    web_host: str
    web_port: int
    lists: ListsAt | None = None
    postgresql: str = ""

    @property
    def url(self) -> str:
        """Where the tables are, as SQLAlchemy wants to be told."""
        if not self.postgresql:
            return f"sqlite:///{self.database}"
        _scheme, _, place = self.postgresql.partition("://")
        return f"postgresql+psycopg://{place}"

    @property
    def shown(self) -> str:
        """Where the tables are, for people to read: without a password."""
        if not self.postgresql:
            return str(self.database)
        return sa.make_url(self.url).render_as_string(hide_password=True)

    @property
    def open_points(self) -> list[str]:
        """What can be read and must not stay, a sentence each, with what to do."""
        return example_keys({"site_key": self.site_key, "card_key": self.card_key}, FRESH)

    @property
    def snapshots(self) -> Path:
        """Where whole lists lie."""
        return self.database.parent / "snapshots"

    @property
    def desk(self) -> Path:
        """Where the desk's own journal lies."""
        return self.database.parent / f"{self.database.stem}-desk.db"

    @property
    def edits(self) -> Path:
        """Where edits that are no facts are noted, for the day a backup is restored."""
        return self.database.parent / f"{self.database.stem}-edits.jsonl"

    @property
    def koc(self) -> Path:
        """Where is noted what was handed to Koha already."""
        return self.database.parent / f"{self.database.stem}-koc.jsonl"


def read_settings(config: Section, folder: Path) -> Settings:
    """Read and check every option; raise `ConfigInvalid`.

    folder: what relative paths start from.
    """
    broker, web = config.section("broker"), config.section("web")
    settings = Settings(
        library=_library(config),
        name=config.text("name", default="", chars_max=120, empty=True),
        database=folder / config.text("database", default="gateway.db"),
        postgresql=_server(config),
        zone=_zone(config),
        site_key=config.secret("site_key"),
        card_key=config.secret("card_key"),
        card_key_id=config.text("card_key_id", default="1", chars_max=16),
        broker=_endpoint(broker, folder),
        web_host=web.choice("host", LOOPBACK, default="127.0.0.1"),
        web_port=web.integer("port", default=18080, minimum=0, maximum=65535),
        lists=_lists(config, folder),
    )
    config.close()
    return settings


def _zone(config: Section) -> str:
    """Return the library's time zone; the first policy begins with it."""
    name = config.text("zone", default="UTC")
    try:
        Policy.from_doc(default_document(name))
    except PolicyInvalid:
        raise ConfigInvalid(f"zone = {name[:40]!r}: write it like Europe/Berlin") from None
    return name


def _server(config: Section) -> str:
    """Return the address of the server that has the tables; empty: they are in a file."""
    url = config.text("postgresql", default="", empty=True)
    if url and not url.startswith(("postgresql://", "postgres://")):
        raise ConfigInvalid(
            f"postgresql = {url[:40]!r}: an address is written postgresql://user@host/database"
        )
    return url


def _lists(config: Section, folder: Path) -> ListsAt | None:
    """Return where lists are served to other machines; None: to none."""
    if not config.has("lists"):
        return None
    lists = config.section("lists")
    certificate = Certificate(
        folder / lists.text("cert_file", chars_max=4_096),
        folder / lists.text("key_file", chars_max=4_096),
    )
    port = lists.integer("port", default=18443, minimum=0, maximum=65535)
    return ListsAt(lists.text("host", default="0.0.0.0"), port, certificate)


def _library(config: Section) -> str:
    """Return the library's name; it goes into every topic."""
    name = config.text("library", chars_max=32)
    try:
        Topics(name)
    except TopicInvalid as error:
        raise ConfigInvalid(f"{error}; a library's name is made of a-z, 0-9 and -") from None
    return name


def _endpoint(section: Section, folder: Path) -> Endpoint:
    ca_file = section.text("ca_file", default="", empty=True)
    cert_file = section.text("cert_file", default="", empty=True)
    key_file = section.text("key_file", default="", empty=True)
    return Endpoint(
        host=section.text("host", default="127.0.0.1"),
        port=section.integer("port", default=18830, minimum=1, maximum=65535),
        username=section.text("username", default="", empty=True) or None,
        password=section.text("password", default="", empty=True) or None,
        ca_file=str(folder / ca_file) if ca_file else None,
        cert_file=str(folder / cert_file) if cert_file else None,
        key_file=str(folder / key_file) if key_file else None,
    )


def prepare(settings: Settings) -> Store:
    """Open the database, bring it up to date, make the library if it is not there."""
    settings.database.parent.mkdir(parents=True, exist_ok=True)
    store = Store(settings.url, clock=now_ms)
    store.migrate()
    store.create_library(settings.library, settings.name)
    with store.read() as connection:
        saved = newest_document(connection, settings.library)
    if saved is None:
        with store.write(settings.library) as write:
            save_policy(write, default_document(settings.zone))
    return store


class Gateway:
    """All of a running gateway; a context manager."""

    def __init__(self, settings: Settings, worker: str = "", *, lease_ms: int = LEASE_MS):
        """worker: our name among those that share the library, if any do; lease_ms: see there."""
        self.settings = settings
        if settings.lists is not None:
            settings.lists.certificate.check()
        self.store = prepare(settings)
        self.term = self._take(worker, lease_ms) if worker else None
        self.pulse = Pulse()
        self._stopping = threading.Event()
        self.snapshots = Snapshots(
            self.store, settings.library, settings.snapshots, rest=Breather(self._stopping)
        )
        boot = secrets.token_hex(4)
        self.hub = Hub(
            self.store, settings.library, self.snapshots, key=settings.site_key, boot=boot
        )
        self._notice_older_copy()
        desk = DeskJournal(self.store, settings.library, settings.desk)
        desk.hand_over(self.hub.ingest)
        self.hub.ingest.retry_parked()
        self.service = Service(self.hub, desk, beat=self.pulse.beat, term=self.term)
        self._serving = Serving()
        self._is_serving = False
        self.web_port = 0
        """The port the pages are served on."""
        self.lists_port = 0
        """The port on which lists are served to other machines; 0: on none."""

    def _take(self, worker: str, lease_ms: int) -> Term:
        """Become the library's owner; raise `Fenced` while another worker is."""
        library = self.settings.library
        term = take(self.store, library, worker, lease_ms)
        if term is None:
            self.store.close()
            raise Fenced(f"library {library!r}: another worker writes for it; {worker} waits")
        self.store.terms[library] = term
        return term

    def _notice_older_copy(self) -> None:
        """Begin a new history if the database is one that somebody put back without saying so."""
        settings = self.settings
        try:
            missing = begin_anew_if_older(self.store, settings.library, settings.edits)
        except ConfigInvalid as error:
            _log.error("%s; whether the database is an older copy is not known", error)
            return
        if missing:
            _log.warning(
                "the database is older than %s: a new history begins; %d edits are to be done"
                " again, see the sync page",
                settings.edits, len(missing),
            )  # fmt: skip

    def _serve_web(self) -> None:
        """Serve the pages, and lists to other machines, in a thread of their own."""
        settings, serving = self.settings, self._serving
        opened = listening(settings.web_host, settings.web_port, "web")
        self.web_port = int(opened.getsockname()[1])
        desk = Desk(self.store, settings.library)
        app = create_app(desk, self.snapshots, self.pulse, self.service)
        serving.add(app, opened)
        if settings.lists is not None:
            turnstile = app.state.turnstile
            own = create_lists_app(desk, self.snapshots, turnstile, settings.site_key)
            try:
                encrypted = listening(settings.lists.host, settings.lists.port, "lists")
            except ConfigInvalid:
                opened.close()
                raise
            self.lists_port = int(encrypted.getsockname()[1])
            serving.add(own, encrypted, settings.lists.certificate)
        self._is_serving = True
        serving.start()

    def start(self) -> Gateway:
        """Start every part; the pages are served when this returns, or `ConfigInvalid` raised."""
        self._serve_web()
        link = Link(
            self.settings.broker,
            client_id=client_id(self.settings.library, CLIENT),
            will=self.hub.will(),
            deliver=self.service.deliver,
        )
        self.service.start(link)
        return self

    @property
    def is_fenced(self) -> bool:
        """Whether another worker has taken the library."""
        return self.service.fenced.is_set()

    def stop(self) -> None:
        """Stop every part in order; harmless when stopped or never started."""
        if self._is_serving:
            self._is_serving = False
            self._serving.ask_to_stop()
            self._stopping.set()
            self.service.stop()
            self._serving.join()
        if self.term is not None:
            self.term.give_up()
        self.store.close()

    def __enter__(self) -> Gateway:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()


def run(config: Section, *, folder: Path, stop: threading.Event) -> None:
    """Run the gateway until `stop` is set."""
    settings = read_settings(config, folder)
    for point in settings.open_points:
        _log.warning("%s", point)
    with Gateway(settings) as gateway:
        _log.info("pages on http://%s:%d/", settings.web_host, gateway.web_port)
        if settings.lists is not None:
            _log.info("lists on https://%s:%d/", settings.lists.host, gateway.lists_port)
        stop.wait()
