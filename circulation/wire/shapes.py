"""The checks that fields of several messages share."""

from circulation.wire.check import Hex, Integer, ListOf, MapOf, Name, Text, Word
from circulation.wire.limits import INTEGER_MAX

ID = Hex(16)
HASH = Hex(32)
BOOT = Hex(8)
MAC = Hex(32)
COUNT = Integer()
SIGNED = Integer(-INTEGER_MAX)
REACH = Integer(0, 3)
STATION = Name()
SEQ = Integer(0)
NUMBER = Integer(1)
VERSIONS = MapOf(Word(), COUNT, 16)
REQUEST_ID = Text(32, 1)
UIDS = ListOf(Hex(2, 32), 64)
KEY = Text(64, 1)
