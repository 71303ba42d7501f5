"""A gate that hears a kiosk: the real machine, a list, and somebody who walks out."""

from circulation.wire.messages import Applied
from firmware.gate import events
from firmware.gate.commands import SoundSiren
from firmware.gate.config import gate_config
from firmware.gate.lists import ExactList
from firmware.gate.machine import GateMachine
from tests.kiosk.library import LINEAGE, OWNER, SITE_KEY, UIDS

LANE = "lane-1"
ROOM, BUILDING, STREET = 1, 2, 3
STEPS = ((0, "inner", True), (120, "outer", True), (260, "inner", False), (380, "outer", False))


class Gate:
    """One gate of the kiosk's site; it believes what the kiosk published."""

    def __init__(self, kiosk, *, boundary=STREET, version=1, known=tuple(UIDS)):
        """known: the items whose tags are on the gate's list, where they may not leave."""
        self.kiosk = kiosk
        numbers = iter(range(1, 1_000_000))
        self.machine = GateMachine(
            gate_config("gate-1", [(LANE, 2)], members=[OWNER], boundary=boundary),
            bytes.fromhex(SITE_KEY),
            lambda: f"{next(numbers):016x}",
        )
        self.at_ms = 0
        self._heard = 0
        held = ExactList(LINEAGE, version)
        held.change([["k", uid, 0] for item_id in known for uid in UIDS[item_id]])
        self.tell(events.ListLoaded(held))

    def tell(self, event):
        return self.machine.receive(event, self.at_ms)

    def listen(self):
        """Hear what the kiosk said since the last time."""
        said = self.kiosk.site_loans()
        for message in said[self._heard :]:
            self.tell(events.SiteLoanHeard(message))
        self._heard = len(said)
        return self

    def applied(self, epoch_n, seq, *, version):
        """The gateway has that many rows of the kiosk, as of that version of the lists."""
        mark = {self.kiosk.station: [epoch_n, seq]}
        self.tell(events.AppliedHeard(Applied(version, mark, LINEAGE)))
        return self

    def reach_version(self, version):
        """The list follows, with changes that are nothing to this test."""
        held = self.machine.holdings.list
        self.tell(events.ListChanged(LINEAGE, held.version, version, []))
        return self

    @property
    def remembered(self):
        """How much of the site's news the list does not have yet."""
        return len(self.machine.holdings.overlay)

    def alarms(self, tag):
        """Whether the siren sounds when somebody carries this tag out."""
        self.at_ms += 60_000
        content = tag.content
        read = (tag.uid, tag.security.value, content.pii, content.owner)
        done = self.tell(events.TagsRead(LANE, [read]))
        for after_ms, beam, broken in STEPS:
            now_ms = self.at_ms + after_ms
            edge = events.BeamEdge(LANE, beam, broken, now_ms)
            done += self.machine.receive(edge, now_ms) + self.machine.tick(now_ms + 10)
        self.at_ms += 10_000
        return SoundSiren() in [command for command in done if isinstance(command, SoundSiren)]
