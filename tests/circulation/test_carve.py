"""A log's frames are told good from bad as SQLite tells them, however many there are."""

import sqlite3
import struct

import pytest

from circulation.carve import frames_of, is_log_header_good, read_by_sqlite

LITTLE, BIG = 0x377F0682, 0x377F0683
FRAME = 24 + 4096


@pytest.fixture
def log(tmp_path):
    """A log as SQLite writes it on this machine, of five commits."""
    path = tmp_path / "some.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE filler (content BLOB)")
    for byte in (b"a", b"\xff", b"c", b"\0"):
        connection.execute("INSERT INTO filler VALUES (?)", (byte * 6000,))
    content = (tmp_path / "some.db-wal").read_bytes()
    connection.close()
    return content


def as_written_by_the_other_sort(log):
    """Return the log as a machine that reads its words the other way round writes it.

    The checksum is reckoned word by word, as https://www.sqlite.org/fileformat2.html §4.2 says.
    """

    def checksum(content, first, second):
        for one, two in struct.iter_unpack(">II", content):
            first = (first + one + second) % 2**32
            second = (second + two + first) % 2**32
        return first, second

    other = bytearray(log)
    other[:4] = struct.pack(">I", BIG)
    other[24:32] = struct.pack(">II", *(sums := checksum(bytes(other[:24]), 0, 0)))
    for start in range(32, len(log), FRAME):
        covered = bytes(other[start : start + 8] + other[start + 24 : start + FRAME])
        sums = checksum(covered, *sums)
        other[start + 16 : start + 24] = struct.pack(">II", *sums)
    return bytes(other)


def test_every_frame_that_sqlite_wrote_is_good(log):
    """Five commits, and nothing of them is lost."""
    frames = frames_of(log)

    assert struct.unpack_from(">I", log)[0] == LITTLE
    assert [frame.is_good for frame in frames] == [True] * len(frames)
    assert [frame.ends_commit for frame in frames].count(True) == 5
    assert read_by_sqlite(log, frames) == len(frames) == (len(log) - 32) // FRAME


def test_a_log_of_the_other_sort_of_machine_is_read_as_well(log):
    """A card may come from a machine that reads words the other way round."""
    other = as_written_by_the_other_sort(log)

    frames = frames_of(other)

    assert is_log_header_good(other)
    assert [frame.is_good for frame in frames] == [True] * len(frames)
    assert read_by_sqlite(other, frames) == len(frames)


@pytest.mark.parametrize("place", [0, 7, 24, 27, 28, 31, 2000, FRAME - 1])
def test_a_flipped_bit_makes_its_own_frame_bad_and_no_other(log, place):
    """Each frame goes on from what the one before it claims, in either half of a word."""
    flipped = bytearray(log)
    flipped[32 + 2 * FRAME + place] ^= 0x10

    frames = frames_of(bytes(flipped))

    assert [n for n, frame in enumerate(frames) if not frame.is_good] == [2]


@pytest.mark.parametrize("place", [16, 20])
def test_a_flipped_checksum_makes_the_next_frame_bad_as_well(log, place):
    """What a frame claims is where the next one goes on."""
    flipped = bytearray(log)
    flipped[32 + 2 * FRAME + place] ^= 0x10

    frames = frames_of(bytes(flipped))

    assert [n for n, frame in enumerate(frames) if not frame.is_good] == [2, 3]


@pytest.mark.parametrize("length", [0, 31, 32, 32 + FRAME - 1])
def test_a_log_without_a_whole_frame_has_none(log, length):
    """A log that was cut off says nothing, and is no error."""
    assert frames_of(log[:length]) == []
    assert len(frames_of(log[: 32 + FRAME])) == len(frames_of(log[: 32 + 2 * FRAME - 1])) == 1
