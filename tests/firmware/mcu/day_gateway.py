"""The broker and the gateway of a gate's day (`programs/gate_day.py`), outside of its heap.

The gateway hands out real files of its list, piece by piece, tells what changes between two of
them, and begins another history when it is told to.

What the program on the VM says on its output, and what it is answered: a letter, two bytes of
size and so many of content; two bytes, and behind a number of bytes read the bytes.

    o  open a connection        0, or GONE                c  close it            0
    r  read at most SIZE bytes  their number, or NONE     w  write the content   as many as taken
    t  a command, see `ORDERS`  1 if what is said         j  JSON of an hour     0
                                now arrives, else 0
"""

import json
import struct
import subprocess
from base64 import b64encode
from hashlib import sha256

from circulation.wire.chain import chain_hash
from circulation.wire.fuse import DIGEST_BYTES, HEADER_BYTES, decode_header, encode_header
from circulation.wire.messages import (
    Ack,
    Applied,
    Change,
    Chunk,
    Head,
    Journal,
    Pointer,
    SiteLoan,
    TimeReply,
    decode,
    encode,
    sealed,
)
from circulation.wire.topics import Topics
from gateway.fuse import build_list

KEY = bytes(range(16))
TOPICS = Topics("school")
STATION, SITE = "gate-2", "main"
LISTED = [f"e00401{number:010x}" for number in range(20_000)]
UNSECURED = [f"e00404{number:010x}" for number in range(200)]
FIRST = "00000000000000aa"
FIRST_WALL_MS = 1_790_000_000_000
ROWS_PER_ANSWER = 8
NONE, GONE = 0xFFFF, 0xFFFE


def play(command, folder, environment):
    """Run the program with a network around it; return what it said of each hour."""
    network = Network()
    program = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with program:
        while head := program.stdout.read(3):
            letter, size = struct.unpack(">cH", head)
            content = b"" if letter == b"r" else program.stdout.read(size)
            number, came = network.obey(letter, size, content)
            program.stdin.write(struct.pack(">H", number) + came)
            program.stdin.flush()
        said = program.stderr.read().decode()
    assert (program.returncode, said) == (0, ""), said
    return network.hours


class Network:
    """A broker and a gateway at the end of every connection."""

    def __init__(self, listed=LISTED):
        """listed: the tags that every file lets go."""
        self.hours = []
        self.now_ms = 0
        self.is_silent = self.is_cut = False
        self.is_recovered = True
        self.connections = self.applied = self.n = self.pieces = self.lent = 0
        self.line = None
        self.seqs = {}
        self.list(listed)
        self.offer(FIRST, "1000", "1")

    @property
    def version(self):
        """Return the newest version of the list."""
        return self.file_version + len(self.rows)

    @property
    def is_heard(self):
        """Return whether what is said arrives."""
        is_there = self.line is not None and self.line.is_open
        return is_there and not (self.is_silent or self.is_cut)

    def obey(self, letter, size, content):
        """Do what the program asks; return a number, and bytes to follow it."""
        line = self.line
        if letter == b"t":
            name, *words = content.decode().split()
            ORDERS[name](self, *words)
            return int(self.is_heard), b""
        if letter == b"j":
            hour = json.loads(content)
            hour |= {name: getattr(self, name) for name in COUNTED}
            self.hours.append(hour)
            return 0, b""
        if self.is_cut and letter != b"c":
            return GONE, b""
        if letter == b"o":
            self.connections += 1
            self.line = Line(self)
        elif letter == b"c":
            self.line = None
        elif letter == b"r":
            came = line.read(size)
            return (len(came), came) if came else (NONE, b"")
        elif letter == b"w":
            return line.write(content), b""
        return 0, b""

    def list(self, listed):
        """Let these tags go, from the next file on."""
        self._built = build_list(listed, UNSECURED, lineage=FIRST, version=1, boundary=3)

    def cut(self, is_cut, is_silent):
        """Cut the line, or let the broker take bytes and say nothing."""
        self.is_cut, self.is_silent = is_cut == "1", is_silent == "1"

    def offer(self, lineage, version, is_recovered):
        """Have a new file, which contains every change so far."""
        self.lineage, self.file_version = lineage, int(version)
        self.is_recovered = is_recovered == "1"
        self.rows = []
        header = decode_header(self._built)._replace(lineage=lineage, version=self.file_version)
        content = encode_header(header) + self._built[HEADER_BYTES:-DIGEST_BYTES]
        self.file = content + sha256(content).digest()
        self.pointer = Pointer(
            *("may_leave", "fuse8-1-3", lineage, self.file_version, len(self.file)),
            *(sha256(self.file).hexdigest(), "/"),
        )

    def head(self, now_ms):
        """Say that the gateway lives."""
        self.n += 1
        self.now_ms = int(now_ms)
        now, versions = FIRST_WALL_MS + self.now_ms, {"may_leave": self.version}
        head = Head(self.lineage, self.n, now, versions, 3, self.is_recovered, "")
        self.say(TOPICS.head(), head)

    def lend(self, uid):
        """Be a kiosk of the site that lends a book."""
        self.lent += 1
        fact = f"{self.lent:016x}"
        loan = SiteLoan("kiosk-1", 1, self.lent, None, [uid], "on", 3, [], fact, 0, None, "")
        self.say(TOPICS.site_loan(SITE), loan)

    def change(self, uid, reach):
        """Let a tag's state change, and tell of it."""
        before = self.version
        self.rows.append(["k", uid, int(reach)])
        self.say(TOPICS.change("may_leave"), self._changes(before))
        stations = {"kiosk-1": [1, self.lent]}
        self.say(TOPICS.applied(SITE), Applied(self.version, stations, self.lineage))

    def told(self, topic, payload):
        """Be the gateway: believe, acknowledge and answer."""
        if topic.endswith("/journal"):
            self._journal(decode(Journal, payload))
        elif topic.endswith("/request"):
            answer = self._answer(json.loads(payload))
            if answer is not None:
                self.say(TOPICS.reply(STATION), answer)

    def say(self, topic, message):
        """Deliver a message to the gate, if it hears anything."""
        if self.is_heard:
            message = sealed(message, KEY) if hasattr(message, "mac") else message
            self.line.deliver(topic, encode(message))

    def _answer(self, asked):
        op = asked["op"]
        if op == "time":
            return TimeReply(asked["id"], asked["mono_sent"], FIRST_WALL_MS + self.now_ms)
        if op == "chunk":
            is_known = (asked["lineage"], asked["version"]) == (self.lineage, self.file_version)
            return self._piece(asked) if is_known else None
        begin = asked["version"]
        if asked.get("lineage") != self.lineage or begin < self.file_version:
            return self.pointer
        return self._changes(begin) if begin < self.version else None

    def _changes(self, begin):
        first = begin - self.file_version
        rows = self.rows[first : first + ROWS_PER_ANSWER]
        return Change("may_leave", self.lineage, begin, begin + len(rows), rows, "")

    def _piece(self, asked):
        self.pieces += 1
        begin = asked["offset"]
        piece = self.file[begin : begin + asked["count"]]
        text, is_last = b64encode(piece).decode(), begin + len(piece) == len(self.file)
        digest = sha256(piece).hexdigest()
        return Chunk(asked["id"], "may_leave", self.file_version, begin, text, is_last, digest)

    def _journal(self, batch):
        known = self.seqs.get(batch.epoch, 0)
        digest, seq = bytes.fromhex(batch.prev_hash), batch.seq0 - 1
        for body in batch.events:
            seq += 1
            digest = chain_hash(digest, seq, body.encode())
        self.applied += max(0, seq - known)
        self.seqs[batch.epoch] = max(seq, known)
        ack = Ack(batch.epoch, seq, digest.hex(), self.lineage, 4, 0, 0)
        self.say(TOPICS.reply(STATION), ack)


COUNTED = ("connections", "pieces", "applied", "file_version")
ORDERS = {
    "cut": Network.cut,
    "offer": Network.offer,
    "head": Network.head,
    "lend": Network.lend,
    "change": Network.change,
}
"""What the program's script asks for; each is given words."""


class Line:
    """One connection: what the client writes, and what waits for it."""

    def __init__(self, network):
        self.network = network
        self.waiting = b""
        self.heard = b""
        self.is_open = False

    def read(self, size):
        """Return what waits, at most so much; nothing of a silent broker."""
        if self.network.is_silent:
            return b""
        came, self.waiting = self.waiting[:size], self.waiting[size:]
        return came

    def write(self, content):
        """Take bytes and return how many; a silent broker's buffer fills."""
        if self.network.is_silent and len(self.heard) > 2_000:
            return NONE
        self.heard += content
        while not self.network.is_silent and self._is_answered():
            pass
        return len(content)

    def deliver(self, topic, payload):
        """Publish to the client, QoS 0."""
        rest = len(topic).to_bytes(2, "big") + topic.encode() + payload
        self.waiting += b"\x30" + _length(len(rest)) + rest

    def _is_answered(self):
        """Answer a whole packet; return whether there was one."""
        size, at = _size(self.heard)
        if size is None or len(self.heard) < at + size:
            return False
        first, rest = self.heard[0], self.heard[at : at + size]
        self.heard = self.heard[at + size :]
        self._answer(first, rest)
        return True

    def _answer(self, first, rest):
        kind = first >> 4
        if kind == 1:
            self.is_open = True
            self.waiting += b"\x20\x02\x00\x00"
        elif kind == 8:
            count, at = 0, 2
            while at < len(rest):
                at += 3 + int.from_bytes(rest[at : at + 2], "big")
                count += 1
            self.waiting += bytes([0x90, 2 + count, *rest[:2]]) + b"\x01" * count
        elif kind == 12:
            self.waiting += b"\xd0\x00"
        elif kind == 3:
            end = 2 + int.from_bytes(rest[:2], "big")
            topic = rest[2:end].decode()
            if first & 6:
                self.waiting += b"\x40\x02" + rest[end : end + 2]
                end += 2
            self.network.told(topic, rest[end:])


def _length(size):
    made = bytearray()
    while True:
        made.append(size % 128 | (128 if size > 127 else 0))
        size //= 128
        if not size:
            return bytes(made)


def _size(heard):
    size = 0
    for at in range(1, min(5, len(heard))):
        size |= (heard[at] & 127) << 7 * (at - 1)
        if heard[at] < 128:
            return size, at + 1
    return None, 0
