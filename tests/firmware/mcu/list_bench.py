"""A gateway that hands out lists of its own making, to a store of lists on a fake flash."""

import hashlib
import itertools
from base64 import b64encode

from circulation.wire.fuse import format_of
from circulation.wire.messages import Chunk, Pointer, decode, encode
from firmware.mcu.list_files import ListSlots
from firmware.mcu.list_store import ListStore
from gateway.fuse import build_list
from sim.mcu.flash import FlashFiles

LINEAGE, OTHER, THIRD = "8c0e5b7a1d94f263", "00000000000000bb", "00000000000000cc"


def uids(count, start=0):
    """Return so many tags."""
    return [f"e00401{number:010x}" for number in range(start, start + count)]


def built(keys=(), unsecured=(), *, lineage=LINEAGE, version=1, boundary=3):
    """Return a file."""
    return build_list(keys, unsecured, lineage=lineage, version=version, boundary=boundary)


def pointer_to(content, version, *, lineage=LINEAGE, boundary=3):
    """Return what announces a file."""
    name = format_of(boundary)
    digest = hashlib.sha256(content).hexdigest()
    path = f"/snapshot/may_leave/{name}/{version}"
    return Pointer("may_leave", name, lineage, version, len(content), digest, path)


def slots_of(files):
    """Return the slots as a start finds them."""
    return ListSlots("/lists", files)


def put_in_place(files, content, slots=None):
    """Write a whole file into the slot that is free or older."""
    slots = slots or slots_of(files)
    slot = min(slots.slots, key=lambda slot: slot.number)
    slots.begin(slot)
    slots.append(slot, content)
    return slots.open(slot)


class Shop:
    """The gateway: files by version, requests answered as `gateway/requests.py` does."""

    def __init__(self, *, spoil=lambda chunk: chunk):
        """spoil: what becomes of a piece on its way, None if it is lost."""
        self.files = {}
        self.asked = []
        self._spoil = spoil

    def offer(self, content, version, *, lineage=LINEAGE):
        """Have a file from now on; return its pointer."""
        self.files[lineage, version] = content
        self.newest = pointer_to(content, version, lineage=lineage)
        return self.newest

    def answer(self, request):
        """Return the reply to a request, None without one; both have crossed the wire."""
        request = decode(type(request), encode(request))
        self.asked.append(request)
        if request.op == "since":
            return decode(Pointer, encode(self.newest)) if self.files else None
        content = self.files.get((request.lineage, request.version))
        if content is None:
            return None
        block = content[request.offset : request.offset + request.count]
        last = request.offset + len(block) >= len(content)
        digest = hashlib.sha256(block).hexdigest()
        text = b64encode(block).decode()
        chunk = Chunk(request.id, "may_leave", request.version, request.offset, text, last, digest)
        chunk = self._spoil(chunk)
        return chunk and decode(Chunk, encode(chunk))


class Rig:
    """A store on a flash, joined to a shop, with a clock that the test moves."""

    def __init__(self, shop, files=None, *, room_bytes=1_024, random_below=lambda limit: 0):
        self.shop = shop
        self.files = files or FlashFiles()
        self.now_ms = 0
        self.room_bytes = room_bytes
        self._random_below = random_below
        self.start()

    def start(self):
        """Start, as after a reset; return the lists in flash."""
        self.store = ListStore(slots_of(self.files), 3, self._random_below, self.room_bytes)
        self.lists = self.store.kept()
        return self.lists

    def run(self, until=lambda rig: False, turns=20_000):
        """Let time pass, ten turns a second, until something arrived or is so."""
        for _ in itertools.repeat(None, turns):
            self.now_ms += 100
            for effect in self.store.tick(self.now_ms):
                self.hear(self.shop.answer(effect.message))
            made = self.store.arrived()
            if made is not None:
                if made not in self.lists:
                    self.lists.append(made)
                return made
            if until(self):
                return None
        return None

    def hear(self, reply):
        """Give the store a reply."""
        if isinstance(reply, Pointer):
            self.store.announced(reply, self.now_ms)
        elif reply is not None:
            assert self.store.on_chunk(reply, self.now_ms) == []
