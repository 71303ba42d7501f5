"""Frames for the tests of simulated pads, with checksums that owe nothing to the pads' own."""

import binascii

from sim.tags import FRAM_2K, SimTag

BOOK = "e00401003123aa26"
OTHER = "e00401003123aa28"


def genibus(data):
    """CRC-16/GENIBUS: the standard library's CRC-CCITT, begun at FFFF and inverted."""
    return binascii.crc_hqx(data, 0xFFFF) ^ 0xFFFF


def mirrored(value, bits):
    return int(f"{value:0{bits}b}"[::-1], 2)


def mcrf4xx(data):
    """CRC-16/MCRF4XX: the standard library's CRC-CCITT of the same bits the other way round."""
    turned = bytes(mirrored(byte, 8) for byte in data)
    return mirrored(binascii.crc_hqx(turned, 0xFFFF), 16)


def of_3m(payload):
    """Return a 3M frame around a payload in hex."""
    content = bytes.fromhex(payload)
    body = (len(content) + 2).to_bytes(2, "big") + content
    return b"\xd6" + body + genibus(body).to_bytes(2, "big")


def of_feig(content, address=0xFF):
    """Return a standard Feig frame around what begins with the command, in hex."""
    raw = bytes.fromhex(content)
    body = bytes((len(raw) + 4, address)) + raw
    return body + mcrf4xx(body).to_bytes(2, "little")


def answer_of(device, request, *, wait_ms=1_000):
    """Send bytes and return all that has come back so much later."""
    device.receive(request)
    device.clock.advance(wait_ms)
    return device.take()


def ask_3m(pad, payload, **options):
    """Send a payload in hex; return the answer's, its checksum checked; empty for silence."""
    answer = answer_of(pad, of_3m(payload), **options)
    if not answer:
        return ""
    body, checksum = answer[1:-2], answer[-2:]
    assert answer[0] == 0xD6
    assert int.from_bytes(body[:2], "big") == len(answer) - 3
    assert genibus(body) == int.from_bytes(checksum, "big")
    return body[2:].hex()


def ask_feig(pad, content, **options):
    """Send a command in hex; return the answer from its status on, checked; empty for silence."""
    answer = answer_of(pad, of_feig(content), **options)
    if not answer:
        return ""
    assert answer[0] == len(answer)
    assert answer[1] == pad.address
    assert answer[2] == bytes.fromhex(content)[0]
    assert mcrf4xx(answer[:-2]) == int.from_bytes(answer[-2:], "little")
    return answer[3:-2].hex()


def tag(uid=BOOK, *, memory="", **options):
    """Return a tag with this memory in hex, from its first block on."""
    made = SimTag(uid, **options)
    content = bytes.fromhex(memory)
    made.memory[: len(content)] = content
    return made


def big_block_tag(uid="e008010000000001"):
    """Return a Fujitsu tag, whose blocks have 8 bytes and which knows no EAS."""
    return SimTag(uid, model=FRAM_2K)
