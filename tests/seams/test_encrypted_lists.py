"""Lists over HTTPS, from a whole gateway to a kiosk's and a gate's own download."""

import base64
import contextlib
import http.client
import json
import ssl
import subprocess
import time

import pytest

from circulation.config import read_config
from circulation.credentials import authorization
from circulation.errors import ConfigInvalid, SnapshotUnreachable
from circulation.gateway_http import connector
from circulation.wire.messages import Pointer
from firmware.pi.lists import Fetched, ListFolder, NotFetched, fetch
from gateway.app import Gateway, read_settings
from gateway.catalogue import upsert_items
from kiosk.snapshot import Shelf

SITE_KEY = bytes(range(16))
pytestmark = pytest.mark.needs("openssl")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A certificate for this machine that signed itself, and a stranger's."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("gateway", "stranger"):
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        of_name = ("-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", "/CN=localhost")
        names = ("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        command = ["openssl", "req", "-x509", *curve, *of_name, "-days", "2", *names]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def written(folder, certificates, *, key="gateway.key"):
    """Return a gateway's settings, whose lists are served to other machines."""
    path = folder / "gateway.toml"
    path.write_text(
        f"""
library = "school"
site_key = "{SITE_KEY.hex()}"
card_key = "{"1" * 32}"
[broker]
port = 1
[web]
port = 0
[lists]
host = "127.0.0.1"
port = 0
cert_file = "{certificates / "gateway.crt"}"
key_file = "{certificates / key}"
"""
    )
    return read_settings(read_config(path), path.parent)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, certificates):
    """A running gateway with a book, whose lists are built."""
    settings = written(tmp_path_factory.mktemp("gateway"), certificates)
    with Gateway(settings) as running:
        with running.store.write("school") as write:
            upsert_items(write, [{"barcode": "1001", "uids": ["e004010000000001"]}])
        deadline = time.monotonic() + 60
        while running.snapshots.due() or not running.snapshots.all_offered():
            assert time.monotonic() < deadline, "the lists are not built"
            time.sleep(0.1)
        yield running


@pytest.fixture
def address(gateway):
    """Where other machines find it."""
    return f"https://127.0.0.1:{gateway.lists_port}"


def known_to(certificates, *, key=SITE_KEY, name="gateway"):
    """Return what opens connections of a station that trusts this certificate."""
    return connector("school", "kiosk-1", key, str(certificates / f"{name}.crt"))


def pointer_to(gateway, kind):
    """Return where the newest list of a kind is."""
    format_name = "sqlite-1" if kind == "catalogue" else "json-1"
    found = gateway.snapshots.newest_for(kind, format_name, have=0)
    path = f"/snapshot/{kind}/{format_name}/{found.version}"
    return Pointer(
        kind, format_name, found.lineage, found.version, found.file.stat().st_size, found.sha256,
        path,
    )  # fmt: skip


def test_a_kiosk_and_a_gate_fetch_their_lists_encrypted(gateway, address, certificates, tmp_path):
    """The bytes are those announced, and the kiosk goes on in the middle after a break."""
    connect = known_to(certificates)
    shelf = Shelf(tmp_path / "shelf", address, connect)
    wanted = pointer_to(gateway, "catalogue")
    part = shelf.file_of("catalogue", wanted.lineage, wanted.version).with_suffix(".part")
    part.parent.mkdir(parents=True)
    half = gateway.snapshots.newest_for("catalogue", "sqlite-1", have=0).file.read_bytes()[:5_000]
    part.write_bytes(half)

    kept = shelf.fetch(wanted)
    listed = fetch(address, pointer_to(gateway, "may_leave"), ListFolder(tmp_path / "g"), connect)

    assert kept.stat().st_size == wanted.bytes
    assert isinstance(listed, Fetched)


@pytest.mark.parametrize(
    "said",
    [
        None,
        "Bearer kiosk-1",
        "Basic " + base64.b64encode(b"kiosk-1:").decode(),
        "Basic " + base64.b64encode(b"no/such name:open").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Basic " + "A" * 9_000,
        authorization(bytes(16), "school", "kiosk-1"),
        authorization(SITE_KEY, "another", "kiosk-1"),
    ],
)
def test_a_stranger_gets_nothing(gateway, certificates, said):
    """Neither a list nor whether there is one; every refusal reads the same."""
    for path in ("/snapshot/catalogue/sqlite-1", "/snapshot/none/none", "/", "/api/stations"):
        status, body = asked(gateway, certificates, path, said)
        assert (status, b"site_key" in body) == (401, True)


@pytest.mark.parametrize("path", ["/", "/api/stations", "/api/facts", "/openapi.json", "/static/"])
def test_a_station_gets_lists_and_nothing_else(gateway, certificates, path):
    """Staff's pages stay on the gateway's own machine."""
    said = authorization(SITE_KEY, "school", "kiosk-1")

    assert asked(gateway, certificates, path, said)[0] == 404
    status, body = asked(gateway, certificates, "/healthz", said)
    assert (status, json.loads(body)["library"]) == (200, "school")


def asked(gateway, certificates, path, said):
    """Return status and body of an answer."""
    context = ssl.create_default_context(cafile=certificates / "gateway.crt")
    connection = http.client.HTTPSConnection(
        "localhost", gateway.lists_port, timeout=20, context=context
    )
    with contextlib.closing(connection):
        connection.request("GET", path, headers={} if said is None else {"Authorization": said})
        response = connection.getresponse()
        return response.status, response.read()


def test_a_gateway_that_another_authority_signed_is_not_believed(
    gateway, address, certificates, tmp_path
):
    """Who stands between kiosk and gateway learns no password and hands out no list."""
    connect = known_to(certificates, name="stranger")

    with pytest.raises(SnapshotUnreachable, match="certificate"):
        Shelf(tmp_path, address, connect).fetch(pointer_to(gateway, "catalogue"))
    found = fetch(address, pointer_to(gateway, "may_leave"), ListFolder(tmp_path), connect)
    assert isinstance(found, NotFetched)
    assert "certificate" in found.why


def test_a_station_with_another_key_is_told_what_to_compare(
    gateway, address, certificates, tmp_path
):
    """A wrong site_key is the likeliest mistake of whoever sets up a station."""
    connect = known_to(certificates, key=bytes(16))

    with pytest.raises(SnapshotUnreachable, match="401"):
        Shelf(tmp_path, address, connect).fetch(pointer_to(gateway, "catalogue"))


def test_what_cannot_be_a_certificate_ends_the_start(certificates, tmp_path):
    """Named before anything is opened, with the page that says how both are made."""
    with pytest.raises(ConfigInvalid, match=r"stranger\.key.*docs/configuration\.md"):
        Gateway(written(tmp_path, certificates, key="stranger.key"))
    with pytest.raises(ConfigInvalid, match=r"gateway_ca_file: .*none"):
        connector("school", "kiosk-1", SITE_KEY, str(tmp_path / "none"))
    assert not (tmp_path / "gateway.db").exists()
